"""The build checks: what BuildKit's 22 rules find in a Dockerfile, one small function a rule.

Rule names and what makes them speak are the reference's (``frontend/dockerfile/linter``), the words are ours. They
look at a Dockerfile as far as it was read and evaluated (`lading.build.convert.trace`); none executes anything.
"""
