"""Allocation candidates: where what is asked for would fit now.

demand.py says what may be asked, world.py is the picture of all providers that a search looks at, search.py
finds the candidates. How they are asked for and shown is `placement/api/candidates.py`.
"""
