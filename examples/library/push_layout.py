"""Push an OCI image layout that some other tool wrote, without a copy of it: push_layout.py ROOT FOLDER NAME."""

import sys

from lading.api import Lading

root, folder, name = sys.argv[1:]
with Lading(root) as lading:
    print(lading.push_layout(folder, name).digest)
