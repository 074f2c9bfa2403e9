"""Secrets that a user keeps here for other ways of proving himself."""
