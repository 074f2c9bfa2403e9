"""Ports: `rows` makes, binds and deletes them, `api` is what their users see."""
