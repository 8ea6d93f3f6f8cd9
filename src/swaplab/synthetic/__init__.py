"""Invented people rendered with known identity, expression, pose and light: their true swaps exist."""
