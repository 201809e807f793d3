"""What was seen of the steps of a build while they were executed."""
