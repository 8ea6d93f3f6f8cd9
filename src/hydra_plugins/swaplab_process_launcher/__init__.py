"""``hydra/launcher=swaplab``: each job of a sweep runs in its own process."""
