"""Say who vouches for an image: provenance.py ROOT IMAGE."""

import sys

from lading.api import Lading

root, image = sys.argv[1:]
with Lading(root) as lading:
    for statement in lading.provenance(image).statements:
        print(statement.kind, "by", *statement.trusted_by or ["nobody whom the policy trusts"])
