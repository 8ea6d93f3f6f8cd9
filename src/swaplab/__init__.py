"""swaplab: a laboratory for face-swap models, where every decision is a switch and every answer is measured."""

__version__ = "0.1.0"
