"""One registry spoken to: manifests, blobs, tags, referrers."""
