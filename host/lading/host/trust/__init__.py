"""Keys, policies and the gate of this machine, and what attests its images."""
