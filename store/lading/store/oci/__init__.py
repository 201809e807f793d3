"""The documents of the OCI image specification: digests, descriptors, manifests, layouts, strict JSON."""
