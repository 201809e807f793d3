"""The policy that `keygen` writes where there is none: this machine's own key is trusted, nothing else."""

from __future__ import annotations

import textwrap
from typing import Final

_TEXT: Final = """\
# What may run on this machine, and on what a build may stand. Everything is refused that no scope covers.
# The format: docs/policy.md of Lading.
version: 1

keys:
  own: |
{pem}

scopes:
  # The most specific scope wins; this one comes last. Another scope would be, for example:
  #   example.com/team/app:
  #     signed_by:
  #       keys: [own]
  #     require:
  #       - type: slsaprovenance1
  #         builder: urn:lading:builder:local
  default:
    signed_by:
      keys: [own]

from:
  # Base images. One that nobody vouched for is used, and the build says so aloud;
  # without the last line it is refused.
  default:
    signed_by:
      keys: [own]
    allow_unverified: true
"""


def default_policy(pem: str) -> str:
    """A policy that trusts the public key `pem` for every reference."""
    return _TEXT.format(pem=textwrap.indent(pem.strip(), "    "))
