"""Which packages a set installs, written down once: lock files, read, made and compared."""
