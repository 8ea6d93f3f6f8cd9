"""``hydra/sweeper=optuna``: the jobs of a sweep are drawn by a search."""
