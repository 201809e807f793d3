"""Files that say which images are to be built of what: bake's in HCL and JSON, and Compose's."""
