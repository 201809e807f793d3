"""A step in a changed root folder and nothing else: where nothing may be mounted and no namespace be made."""
