"""Containers on disk: records, names, volumes, logs, networks."""
