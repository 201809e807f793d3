"""What refers to an image, collected from wherever it lies, and what it claims."""
