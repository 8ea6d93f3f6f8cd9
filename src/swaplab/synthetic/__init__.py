"""Invented people, rendered with known identity, expression, pose and light, so that true swaps exist."""
