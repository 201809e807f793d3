"""The commands of the machine and its registries."""
