"""From a Dockerfile or a set of Debian packages to a signed image and the record of how it was made."""
