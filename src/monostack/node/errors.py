"""The two ways in which a host fails.

A driver knows best whether trying again can help, so it says so by the kind of error it raises. The words
are written for the person who reads them in the fault of a server: what did not work, and what would make it
work.
"""


class Retry(Exception):
    """It did not work now; the agent tries again, later and later."""


class Broken(Exception):
    """It will not work however often it is tried; the cloud writes the words to the row."""
