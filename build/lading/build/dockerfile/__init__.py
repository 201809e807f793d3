"""The Dockerfile front end: text to instructions, words to values, patterns to names.

Nothing here touches a disk, an image or a network; it is held to the reference's own tables
(moby/buildkit ``frontend/dockerfile``, moby/patternmatcher).
"""
