"""Roles, who has which where, and what follows from it."""
