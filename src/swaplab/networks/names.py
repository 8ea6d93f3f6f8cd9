"""The names of a system's networks: in its config, its checkpoints and its record."""

GENERATOR, DISCRIMINATOR = "generator", "discriminator"
