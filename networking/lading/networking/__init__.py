"""A container's network: routed links, one nftables table, published ports, and names.

The drivers themselves are imported from their modules (`lading.networking.routed.routed`).
"""

from lading.networking.driver import Attachment, AttachRequest, Driver, PortMapping

__all__ = ["AttachRequest", "Attachment", "Driver", "PortMapping"]
