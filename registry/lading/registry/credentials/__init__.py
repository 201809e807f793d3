"""Passwords for registries: docker's and containers' files, and credential helpers."""
