"""Go's text/template over plain JSON data, as `--format` of docker and podman has it."""
