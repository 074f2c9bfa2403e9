"""Data in a Ceph cluster: one RBD image a key, of exactly the data's size.

An image of RBD is there from its first byte on, and its name can be renamed only in several steps. So its
being whole is a mark among its metadata, which Ceph sets and takes away in one step: it is set when all is
written, and it goes first when the data are removed. A part of an image that has been removed reads as
zeros; whoever reads looks at the mark after each piece, and so never takes them for data.

While somebody writes an image, Ceph lets nobody remove it; that a writer has died it knows half a minute
later.

Ceph's own Python modules (Debian: python3-rbd) speak with the cluster, in this process; they are loaded when
the store is first used, and nothing else comes along from where they stand. What the cluster does not answer
in time is given up: the modules would wait for ever.
"""

import errno
import importlib.util
import os
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any

from monostack.image.stores.store import CHUNK, Missing, Store, Unavailable, Writer, words
from monostack.kit.crash import point

SYSTEM = Path("/usr/lib/python3/dist-packages")
MODULES = ("rados", "rbd")  # the second asks for the first
ANSWER_SECONDS = 60
PIECE = 4 * CHUNK
STEP = 64 << 20
"""By how much an image grows at once while its data come."""
MARK = "monostack.whole"
LARGEST_OBJECT = 32
FULL = (errno.ENOSPC, errno.EDQUOT)
LOST = (errno.ESHUTDOWN, errno.ENOTCONN)
"""The cluster has shut this client out; another connection may come in."""
WORDS = {
    errno.EBUSY: "somebody still writes these data, or did so less than half a minute ago",
    errno.ENOTEMPTY: "there are snapshots of these data",
    errno.ETIMEDOUT: "it does not answer",
}
KNOWN: dict[str, Any] = {
    "rbd_store_pool": "images",
    "rbd_store_user": "",
    "rbd_store_ceph_conf": "/etc/ceph/ceph.conf",
    "rbd_store_chunk_size": 8,
    "rados_connect_timeout": 10,
}


class RbdStore(Store):
    """Options: `rbd_store_pool`, `rbd_store_user` (none is Ceph's admin), `rbd_store_ceph_conf` (it names the
    user's keyring), `rbd_store_chunk_size` (MiB of an object), `rados_connect_timeout` (seconds)."""

    type = "rbd"

    def __init__(self, name: str, options: Mapping[str, Any], state: Path) -> None:
        super().__init__(name, options, state)
        self.set = words(options, KNOWN, f"image.store.{name}")
        size = self.set["rbd_store_chunk_size"]
        if size not in [1 << power for power in range(LARGEST_OBJECT.bit_length())]:
            raise ValueError(
                f"image.store.{name}: rbd_store_chunk_size is a power of two, from 1 to {LARGEST_OBJECT} MiB."
            )
        if self.set["rados_connect_timeout"] < 1:
            raise ValueError(f"image.store.{name}: rados_connect_timeout is at least a second.")
        if any(_place(module) is None for module in MODULES):
            raise ValueError(
                f"image.store.{name}: RBD needs Ceph's modules for Python "
                f"{sys.version_info.major}.{sys.version_info.minor} (Debian: python3-rbd)."
            )
        self.object_size = size << 20
        self.pool = self.set["rbd_store_pool"]
        self._lock = threading.Lock()
        self._pool: Any = None
        # connections that were lost stay: ending one under images that are still open ends the process
        self._clusters: list[Any] = []

    def url(self, key: str) -> str:
        return f"rbd://{self.pool}/{key}"

    def details(self) -> dict[str, Any]:
        return {"pool": self.pool, "chunk_size": self.object_size, "thin_provisioning": False}

    def writer(self, key: str) -> Writer:
        return RbdWriter(self, key)

    def read(self, key: str, first: int, length: int) -> Generator[bytes, None, None]:
        if length == 0:
            return
        with self.calmly(key):
            image = self.image(key, read_only=True)
        try:
            with self.calmly(key):
                there = image.size() - first if _whole(image) else None
            if there is None:
                raise Missing(f"The image {key} of store {self.name} is not whole.")
            while length > 0:
                if there <= 0:
                    raise Unavailable(f"The data from store {self.name} ended {length} bytes too early.")
                with self.calmly(key):
                    piece = image.read(first, min(PIECE, length, there))
                    if not _whole(image):
                        raise Missing(f"The image {key} of store {self.name} was removed.")
                first, length, there = first + len(piece), length - len(piece), there - len(piece)
                yield piece
        finally:
            _close(image)

    def size(self, key: str) -> int | None:
        try:
            with self.calmly(key), self.image(key, read_only=True) as image:
                return image.size() if _whole(image) else None
        except Missing:
            return None

    def remove(self, key: str) -> None:
        point("image.rbd.unmark.before")
        with suppress(Missing), self.calmly(key), self.image(key) as image, suppress(KeyError):
            image.metadata_remove(MARK)
        point("image.rbd.unmark.after")
        point("image.rbd.remove.before")
        with suppress(Missing), self.calmly(key):
            _library("rbd").RBD().remove(self.connected(), key)
        point("image.rbd.remove.after")

    # the cluster

    def image(self, key: str, read_only: bool = False) -> Any:
        """The image of a key, open. It is to be asked within `calmly`."""
        return _library("rbd").Image(self.connected(), key, read_only=read_only)

    def connected(self) -> Any:
        """The pool; connected to when it is first needed, and when the connection was lost for good."""
        with self._lock:
            if self._pool is None:
                self._connect()
            return self._pool

    def _connect(self) -> None:
        seconds = str(self.set["rados_connect_timeout"])
        rados = _library("rados")
        try:
            cluster = rados.Rados(
                conffile=self.set["rbd_store_ceph_conf"],
                rados_id=self.set["rbd_store_user"] or None,
                conf={
                    "client_mount_timeout": seconds,
                    "rados_mon_op_timeout": str(ANSWER_SECONDS),
                    "rados_osd_op_timeout": str(ANSWER_SECONDS),
                    "rbd_cache": "false",  # what was written is durable, there is nothing to lose here
                    "log_to_stderr": "false",
                },
            )
            cluster.connect()
        except rados.Error as reason:
            raise Unavailable(f"Store {self.name} cannot be reached: {_words(reason)}.") from None
        try:
            pool = cluster.open_ioctx(self.pool)
        except rados.Error as reason:
            cluster.shutdown()
            raise Unavailable(
                f"Store {self.name}: its pool {self.pool} cannot be used: {_words(reason)}."
            ) from None
        # a full cluster says so, instead of waiting until it is not; removing goes on
        pool.set_osdmap_full_try()
        self._clusters.append(cluster)
        self._pool = pool

    @contextmanager
    def calmly(self, key: str) -> Iterator[None]:
        """Whatever is done here with Ceph raises Missing, Unavailable or OSError instead of Ceph's errors."""
        rados, rbd = _library("rados"), _library("rbd")
        try:
            yield
        except (rbd.ImageNotFound, rados.ObjectNotFound):
            raise Missing(f"The image {key} of store {self.name} is not there.") from None
        except (rbd.Error, rados.Error) as reason:
            number = getattr(reason, "errno", None)
            if number in FULL:
                raise OSError(errno.ENOSPC, f"Store {self.name} has no room.") from None
            if number in LOST:
                with self._lock:
                    self._pool = None
            raise Unavailable(f"Store {self.name} cannot do it: {_words(reason)}.") from None


class RbdWriter(Writer):
    """Keeps one object in memory, so that each is written once."""

    def __init__(self, store: RbdStore, key: str) -> None:
        self.store = store
        self.key = key
        self._buffer = bytearray()
        self._written = 0
        self._room = 0
        rbd = _library("rbd")
        order = store.object_size.bit_length() - 1
        point("image.rbd.create.before")
        with store.calmly(key):
            rbd.RBD().create(store.connected(), key, 0, order, features=rbd.RBD_FEATURE_LAYERING)
            self._image = store.image(key)
        point("image.rbd.create.after")

    def write(self, chunk: bytes) -> None:
        self._buffer += chunk
        while len(self._buffer) >= self.store.object_size:
            self._send(bytes(self._buffer[: self.store.object_size]))
            del self._buffer[: self.store.object_size]

    def _send(self, data: bytes) -> None:
        with self.store.calmly(self.key):
            if self._written + len(data) > self._room:
                self._image.resize(self._room + STEP)
                self._room += STEP
            self._image.write(data, self._written)
        self._written += len(data)

    def finish(self) -> None:
        if self._buffer:
            self._send(bytes(self._buffer))
            self._buffer.clear()
        with self.store.calmly(self.key):
            self._image.resize(self._written)
            self._image.flush()
            point("image.rbd.mark.before")
            self._image.metadata_set(MARK, "yes")
        point("image.rbd.mark.after")
        self.abandon()

    def abandon(self) -> None:
        self._buffer.clear()
        _close(self._image)


def _whole(image: Any) -> bool:
    """Whether all the data have been written, and nobody has begun to remove them."""
    try:
        image.metadata_get(MARK)
    except KeyError:
        return False
    return True


def _close(image: Any) -> None:
    """Let go of an image; harmless when that has been done."""
    with suppress(_library("rbd").Error):
        image.close()


def _words(reason: Exception) -> str:
    number = getattr(reason, "errno", None)
    if number is None:
        return type(reason).__name__
    return WORDS.get(number) or os.strerror(number)


# Ceph's modules


def _place(name: str) -> Path | None:
    """The file of a module: where Python looks, or among the system's own if it is made for this Python."""
    found = importlib.util.find_spec(name)
    if found is not None:
        return Path(found.origin or name)
    places = (SYSTEM / f"{name}{suffix}" for suffix in EXTENSION_SUFFIXES)
    return next((place for place in places if place.is_file()), None)


_loading = threading.Lock()


def _library(name: str) -> ModuleType:
    """A module of Ceph's; raises Unavailable if it has gone since the start."""
    with _loading:
        for each in MODULES:
            if each not in sys.modules:
                _load(each)
    return sys.modules[name]


def _load(name: str) -> None:
    place = _place(name)
    spec = importlib.util.spec_from_file_location(name, place) if place else None
    if spec is None or spec.loader is None:
        raise Unavailable(f"Ceph's module {name} is not there (Debian: python3-rbd).")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as reason:
        del sys.modules[name]
        raise Unavailable(f"Ceph's module {name} cannot be loaded: {reason}.") from None
