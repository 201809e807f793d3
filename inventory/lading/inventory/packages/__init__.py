"""The packages that a tree of files records: what package managers and linkers wrote into it, believed as it is."""
