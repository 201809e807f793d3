"""What a server keeps below one folder: blobs, uploads under way, the catalog."""
