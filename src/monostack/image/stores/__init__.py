"""The places where data of images stand, as the operator named them.

`image.stores` lists them (`NAME:TYPE`), `image.default_store` says where data go when nobody names a store,
and `[image.store.NAME]` in monostack.toml has each one's options. Beside them there are always two of
this machine's own, which no user sees: the staging store, with files that wait for their import, and the
cache.

A type is a module with a subclass of `Store`; types that need a library import it here, when they are used.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from monostack.image import fetch
from monostack.image.stores.file import FileStore
from monostack.image.stores.store import Missing, Store, Unavailable, Writer
from monostack.settings import BadSetting, Image

__all__ = ["CACHE", "STAGING", "Missing", "Store", "Stores", "Unavailable", "Writer", "of"]

STAGING = "os_glance_staging_store"
CACHE = "os_glance_cache_store"
TYPES = {
    "file": "monostack.image.stores.file:FileStore",
    "http": "monostack.image.stores.http:HttpStore",
    "swift": "monostack.image.stores.swift:SwiftStore",
    "s3": "monostack.image.stores.s3:S3Store",
    "rbd": "monostack.image.stores.rbd:RbdStore",
}


class Stores:
    """The stores of a cloud."""

    def __init__(self, settings: Image, state: Path) -> None:
        self.staging = FileStore(STAGING, {"path": settings.staging or str(state / "staging")}, state)
        self.cache = FileStore(CACHE, {"path": settings.cache_dir or str(state / "image-cache")}, state)
        self.named: dict[str, Store] = {}
        for word in settings.stores:
            name, _, kind = word.partition(":")
            if name in self.named or name.startswith("os_glance") or not name:
                raise BadSetting(f"image.stores: {word!r} must be NAME:TYPE, each name once.")
            options = dict(settings.store.get(name, {}))
            if kind == "http":
                options["rules"] = fetch.rules(settings)
            self.named[name] = _opened(name, kind or "file", options, state)
        unknown = sorted(set(settings.store) - set(self.named))
        if unknown:
            raise BadSetting(f"image.store has options for {', '.join(unknown)}, not named in image.stores.")
        self.default_name = settings.default_store or next(iter(self.named), "")
        if self.default_name not in self.named:
            raise BadSetting(f"image.default_store is {self.default_name!r}: image.stores has no such name.")
        if self.default.read_only:
            raise BadSetting(f"image.default_store: {self.default_name} can only be read.")

    @property
    def default(self) -> Store:
        return self.named[self.default_name]

    @property
    def names(self) -> list[str]:
        return list(self.named)

    @property
    def writable(self) -> list[str]:
        return [name for name, store in self.named.items() if not store.read_only]

    @property
    def web(self) -> str | None:
        """The store of locations on web servers, if there is one."""
        return next((name for name, store in self.named.items() if store.type == "http"), None)

    def get(self, name: str) -> Store | None:
        """The store of that name, our own two included; None if the operator has taken it away."""
        return {STAGING: self.staging, CACHE: self.cache}.get(name) or self.named.get(name)

    def need(self, name: str) -> Store:
        """The store of that name; raises Unavailable."""
        store = self.get(name)
        if store is None:
            raise Unavailable(f"The store {name} is not configured any more.")
        return store


def _opened(name: str, kind: str, options: Mapping[str, Any], state: Path) -> Store:
    place = TYPES.get(kind, kind)
    module, _, word = place.partition(":")
    try:
        made = getattr(importlib.import_module(module), word)
    except (ImportError, AttributeError, ValueError) as reason:
        known = ", ".join(TYPES)
        raise BadSetting(
            f"image.stores: {name} is of the type {kind!r} ({reason}); there are {known}, or MODULE:CLASS."
        ) from None
    try:
        return made(name, options, state)
    except (ValueError, ImportError) as reason:
        raise BadSetting(str(reason)) from None


def of(cloud) -> Stores:
    """The stores of a cloud, opened when they are first asked for."""
    if cloud not in _kept:
        _kept[cloud] = Stores(cloud.settings.image, cloud.state)
    return _kept[cloud]


_kept: WeakKeyDictionary[Any, Stores] = WeakKeyDictionary()
