"""Base images from signed Debian and Ubuntu archives: packages in, one reproducible layer each out."""
