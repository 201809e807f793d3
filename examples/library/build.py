"""Build an image and sign it, each step shown as it goes on: build.py ROOT CONTEXT NAME PASSWORD."""

import sys

from lading.api import Lading

root, context, name, password = sys.argv[1:]
with Lading(root, password=password.encode()) as lading:
    built = lading.build(context, [name], watch=lambda event: print(event.label, event.note))
print(built.digest, "signed by", built.signer)
