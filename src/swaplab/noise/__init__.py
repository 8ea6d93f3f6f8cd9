"""Random image operations for a denoising autoencoder; every operation has a scope.

Import operations from their modules (``swaplab.noise.warp.Warp``). They are plain callables; `swaplab.noise.adapter`
makes any transform of albumentations one.
"""

import os

# must precede the import of albumentations, which otherwise contacts a server to check for a newer version
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
