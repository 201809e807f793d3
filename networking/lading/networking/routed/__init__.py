"""The default driver: a link, an address and a route for each container."""
