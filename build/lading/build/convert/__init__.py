"""From a Dockerfile's instructions to the graph of a build."""
