"""Steps: what they do, what they stand on, what they see."""
