"""swaplab: a laboratory for face-swap models. Every decision is a switch, every answer is measured."""

__version__ = "0.1.0"
