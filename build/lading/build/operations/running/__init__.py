"""RUN: what is mounted for a command, and its execution."""
