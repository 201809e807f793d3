"""Run a command in a new container of an image, if the policy lets it in: run.py ROOT IMAGE COMMAND..."""

import sys

from lading.api import Lading, RunOptions

root, image, *command = sys.argv[1:]
with Lading(root) as lading:
    verdict = lading.verify(image).require()
    ended = lading.run(verdict, RunOptions(image, tuple(command), network="none", remove=True))
sys.exit(ended.exit_code)
