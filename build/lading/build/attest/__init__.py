"""What attests an image that was built."""
