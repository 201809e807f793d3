"""Pull an image, judge it by the policy, and put its tree into a folder: unpack.py ROOT IMAGE FOLDER."""

import sys

from lading.api import Lading

root, image, folder = sys.argv[1:]
with Lading(root) as lading:
    lading.pull(image)
    verdict = lading.verify(image).require()
    lading.unpack(verdict, folder)
print(verdict.manifest)
