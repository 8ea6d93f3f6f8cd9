"""Sweeps: many runs from one command, each in its own process, with slots for devices and a table of progress."""
