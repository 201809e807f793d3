"""HCL, the language of bake's files: text to blocks and expressions, and what these come to."""
