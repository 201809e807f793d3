"""Blobs: the contract of a blob store, and its implementations."""
