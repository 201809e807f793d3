"""The media types of evidence."""

from __future__ import annotations

from typing import Final

BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
BUNDLE_PREFIX: Final = "application/vnd.dev.sigstore.bundle"
"""What the media type of every version of a bundle begins with."""
DSSE: Final = "application/vnd.dsse.envelope.v1+json"
SIMPLE_SIGNING: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
NETWORK: Final = "application/vnd.lading.network.v1+json"
"""A recording of what a build's steps asked of the web."""
DAG: Final = "application/vnd.lading.dag.v1+json"
