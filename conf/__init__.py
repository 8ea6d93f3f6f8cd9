"""The configuration tree, shipped inside the package so that commands work from any folder."""
