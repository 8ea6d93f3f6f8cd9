"""Ablations: experiments whose hypothesis, metric and rule are stored before the first run."""
