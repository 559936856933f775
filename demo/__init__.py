"""A real CLIO cluster on this machine's loopback, and the portal on top of it."""
