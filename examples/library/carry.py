"""Carry an image to a machine without a network, signed and with its evidence: carry.py ROOT IMAGE FILE PASSWORD."""

import sys

from lading.api import Lading

root, image, file, password = sys.argv[1:]
with Lading(root, password=password.encode()) as lading:
    lading.sign(image)
    for saved in lading.save([image], file, evidence=True):
        print(saved.digest, *saved.names)
