"""Invented people rendered with known identity, expression, pose, light and attributes: the only true swaps there are."""
