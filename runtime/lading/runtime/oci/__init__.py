"""Programs that are driven: the OCI runtime, and conmon beside each container."""
