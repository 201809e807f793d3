"""A network that ends at its own loopback: whoever is in it speaks to a gateway of ours, and to nobody else."""
