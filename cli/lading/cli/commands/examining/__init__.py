"""The commands that look into images: what differs, where it comes from, whether it is built again the same."""
