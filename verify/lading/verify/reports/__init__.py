"""What was found out about an image after it was built: summaries of verification."""
