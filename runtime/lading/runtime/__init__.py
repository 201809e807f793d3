"""Containers: a verdict goes in, an OCI runtime is driven, and the state is recoverable from disk."""
