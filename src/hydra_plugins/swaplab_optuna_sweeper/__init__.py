"""``hydra/sweeper=optuna``: a hyperparameter search draws the jobs of a sweep."""
