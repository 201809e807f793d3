"""Policies: what an image must show, read from YAML and found by scope."""
