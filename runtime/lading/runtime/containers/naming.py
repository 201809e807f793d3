"""Ids and names of containers."""

from __future__ import annotations

import os
import time
from typing import Final

_ADJECTIVES: Final = """
amber ample balmy bold brave brisk bright calm candid clear clever copper coral crisp deft eager early easy fair fleet
fond fresh gentle glad golden grand green happy hardy honest humble ivory jolly keen kind lively loyal lucid lucky
mellow merry mild modest neat nimble noble olive patient placid plain prime proud quick quiet ready robust rosy royal
sage scarlet serene sharp silver sincere sleek smart snug solid sound spry stable steady stout sturdy sunny sure swift
tidy trim true trusty upbeat valiant vivid warm wise witty worthy zesty
"""
_NOUNS: Final = """
anchor ballast barge bark beacon berth bilge boom bosun bow brig bulwark buoy cabin capstan captain cargo cask cleat
clipper coaster cog compass crane crate crew cutter davit deck derrick dinghy dock drifter ferry fjord fleet foremast
frigate galley galleon gangway gunwale halyard harbour hatch haven hawser helm hold hull jetty jib junk keel ketch
ladder lagoon lantern lighter lugger mainsail mast mooring oar packet pallet pier pilot porthole purser quay rigging
rudder sail schooner scow sextant sheet shoal skiff sloop spar stern steward stowage tender tide tiller topsail trawler
tug wharf winch yawl
"""


def new_id() -> str:
    """64 random hexadecimal digits."""
    return os.urandom(32).hex()


def random_name() -> str:
    """An adjective and a noun of the sea."""
    adjectives, nouns = _ADJECTIVES.split(), _NOUNS.split()
    number = int.from_bytes(os.urandom(4), "big")
    return f"{adjectives[number % len(adjectives)]}_{nouns[number // len(adjectives) % len(nouns)]}"


def now() -> str:
    """The time as docker writes it, RFC 3339 with nanoseconds, UTC."""
    return timestamp(time.time_ns())


def timestamp(nanoseconds: int) -> str:
    """A Unix time in nanoseconds as RFC 3339."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z"
