"""What is believed of package archives: sources, signed releases, lists, and what apt makes of them."""
