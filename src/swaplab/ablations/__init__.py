"""Ablations: a question with its answer's rules fixed before the first run."""
