"""What a rule can ask for: one kind a file, what they are made into together, and how texts name them."""
