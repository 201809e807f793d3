"""The folder that a build is given: what of it is seen, picked and hashed."""
