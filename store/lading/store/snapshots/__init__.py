"""Unpacked layers, mounted over each other, and the seals that a launch compares."""
