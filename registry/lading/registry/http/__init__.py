"""One request and its answer: connections, TLS, hosts, deadlines, refusals."""
