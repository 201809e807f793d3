"""The commands of keys, signatures and policies."""
