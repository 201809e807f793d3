"""Control groups: what this machine has, and what a container gets."""
