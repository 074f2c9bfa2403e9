"""The ways to log in: a module for each, behind one small interface (method.py), in one list (known.py)."""
