"""The nouns of a build: its request, its graph, its state, its cache."""
