"""What each path of the protocol does."""
