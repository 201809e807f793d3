"""The OCI distribution protocol from both sides: references, the client, and the server."""
