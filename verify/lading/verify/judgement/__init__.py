"""From claims and rules to a decision, and to the verdict that a launch accepts."""
