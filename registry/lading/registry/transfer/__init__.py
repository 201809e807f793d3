"""Whole images between registries and the store, with their evidence."""
