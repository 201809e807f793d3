"""Compose files as bake reads them: the `build:` entries of their services."""
