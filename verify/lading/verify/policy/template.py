"""The policy that `keygen` writes where there is none: this machine's own key is trusted, nothing else."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

_TEXT: Final = """\
# What may run on this machine, and on what a build may stand. Everything is
# refused that no scope covers. The format: docs/policy.md of Lading.
version: 1

keys:
{keys}
scopes:
  # The most specific scope wins; this one comes last. Another would be:
  #   example.com/team/app:
  #     signed_by:
  #       keys: [own]
  #     require:
  #       - type: slsaprovenance1
  #         builder: urn:lading:builder:local
  default:
    signed_by:
      keys: [{names}]

from:
  # Base images. One that nobody vouched for is used, and the build says so
  # aloud; without the last line it is refused.
  default:
    signed_by:
      keys: [{names}]
    allow_unverified: true
"""


def default_policy(pem: str, former: Sequence[str] = ()) -> str:
    """A policy that trusts the public key `pem` for every reference, and keys that it came after, newest first."""
    keys = {"own": pem, **{f"own-{len(former) - at}": older for at, older in enumerate(former)}}
    texts = [f"  {name}: |\n{textwrap.indent(key.strip(), '    ')}\n" for name, key in keys.items()]
    return _TEXT.format(keys="".join(texts), names=", ".join(keys))
