"""Steps found in the cache or executed, and what of the cache goes."""
