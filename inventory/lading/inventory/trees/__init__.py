"""The files of an image, merged from its layers without a disk, and compared."""
