"""Data on anybody's web server: they are read, never written and never removed; a key is a URL.

Images come here by their locations alone. Every reading follows the rules for URLs that users give (`fetch`),
because that is what they are; what the server sends may change at any time, so whoever opens the data as a
disk looks into them first.
"""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from monostack.image import fetch
from monostack.image.stores.store import Missing, Store, Unavailable, Writer, words


class HttpStore(Store):
    """It has no options of its own; `rules` are the cloud's for fetching."""

    type = "http"
    read_only = True

    def __init__(self, name: str, options: Mapping[str, Any], state: Path) -> None:
        super().__init__(name, options, state)
        rules = words(options, {"rules": None}, f"image.store.{name}")["rules"]
        self.rules: fetch.Rules = rules or fetch.CUSTOMARY

    def url(self, key: str) -> str:
        return key

    def writer(self, key: str) -> Writer:
        raise Unavailable(f"The store {self.name} can only be read.")

    def read(self, key: str, first: int, length: int) -> Generator[bytes, None, None]:
        try:
            yield from fetch.ranged(key, self.rules, first, length)
        except fetch.Gone as reason:
            raise Missing(str(reason)) from None
        except fetch.Unreachable as reason:
            raise Unavailable(str(reason)) from None

    def size(self, key: str) -> int | None:
        try:
            size = fetch.length(key, self.rules)
        except fetch.Gone:
            return None
        except fetch.Unreachable as reason:
            raise Unavailable(str(reason)) from None
        if size is None:
            raise Unavailable("The server does not tell how many bytes it has.")
        return size

    def remove(self, key: str) -> None:
        """What is somebody else's stays."""
