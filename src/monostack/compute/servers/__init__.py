"""Servers: rows, what they look like, what can be done to them, where they go, and what their hosts
report."""
