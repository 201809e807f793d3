"""What a registry asks of a caller: challenges, and the tokens that answer them."""
