"""One machine's Lading: the store, keys, policy, registry client, network, runtime and builder joined."""
