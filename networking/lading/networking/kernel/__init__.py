"""Netlink, namespaces and sysctls: what the kernel is asked for."""
