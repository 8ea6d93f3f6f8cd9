"""Random image operations that make the autoencoder a denoising one; every operation has a scope.

The operations are albumentations transforms; import them from their modules (``swaplab.noise.warp.Warp``).
"""

import os

# albumentations asks a server for its newest version when it is imported; this must stand before that import.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
