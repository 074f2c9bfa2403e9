"""A store whose files are not of this machine, as the service sees it: nothing can be linked or sent as it
is."""

from pathlib import Path

from monostack.image.stores.file import FileStore


class FarStore(FileStore):
    type = "far"
    reads = 0

    def path(self, key: str) -> Path | None:
        return None

    def writer(self, key: str):
        return _Near(self).writer(key)

    def read(self, key: str, first: int, length: int):
        type(self).reads += 1
        return _Near(self).read(key, first, length)

    def size(self, key: str):
        return _Near(self).size(key)

    def remove(self, key: str) -> None:
        _Near(self).remove(key)

    def take(self, source: Path, key: str) -> bool:
        return False


class _Near(FileStore):
    """The same files, reached."""

    def __init__(self, store: FarStore) -> None:
        super().__init__(store.name, {"path": str(store.folder)}, store.folder)
