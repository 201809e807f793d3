"""What an image contains: its files as its layers show them together, and how two differ."""
