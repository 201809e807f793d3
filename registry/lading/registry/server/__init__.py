"""The registry's server: the OCI distribution protocol over files and one SQLite database."""
