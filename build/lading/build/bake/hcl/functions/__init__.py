"""The functions that expressions may call: those of buildx's bake, by their names."""
