"""The documents that vouch for an image: envelopes, statements, bundles, provenance, links, the DAG."""
