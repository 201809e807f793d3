"""A container's network: routed links, one nftables table, published ports, and names."""
