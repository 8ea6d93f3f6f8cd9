"""Random image operations for a denoising autoencoder; every operation has a scope.

The operations are albumentations transforms; import them from their modules (``swaplab.noise.warp.Warp``).
"""

import os

# must precede the import of albumentations, which otherwise contacts a server to check for a newer version
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
