"""Keys: reading them strictly, checking signatures, making them, and cosign's key files."""
