"""From a verdict to a running process, and the streams of those who watch it."""
