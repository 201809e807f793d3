"""What a step does to a mounted root file system."""
