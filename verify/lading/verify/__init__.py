"""Keys, envelopes, statements, policy, and the verifier whose verdict is the only door to a launch."""
