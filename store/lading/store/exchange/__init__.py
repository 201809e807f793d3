"""Images for other tools and from them: layouts, archives, other compressions."""
