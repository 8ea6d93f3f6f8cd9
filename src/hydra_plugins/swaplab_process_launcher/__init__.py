"""``hydra/launcher=swaplab``: every job of a sweep in a process of its own."""
