"""`lading bake`: several images of files that say which."""
