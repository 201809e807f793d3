"""The images of the local store: found, listed, loaded, unpacked, pruned."""
