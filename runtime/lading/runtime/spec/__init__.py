"""From an image's config and the caller's options to the OCI runtime configuration."""
