"""The one nftables table, and what keeps neighbours away without it."""
