"""Domains, which hold everything else of identity."""
