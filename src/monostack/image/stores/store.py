"""What a place for the data of images must be able to do: the whole of it, in one sitting.

A store keeps data under keys. The service chooses a key before the first byte comes (`key`), writes it into a
row, and only then writes the data; so whatever a crash leaves behind is named by a row, found again and
removed, and nothing has to be searched for. Data are written once, whole, and never changed.

Methods block: the service calls them in threads, one thread at a time for one key. They raise Unavailable
when the store cannot say or do it now (it is asked again later), Missing when the data are not there, and
OSError ENOSPC when there is no room. What they raise is shown to users: it names no password and no token.

`docs/writing-an-image-store.md` walks through one.
"""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


class Unavailable(Exception):
    """The store cannot tell or take it now; the words say why."""


class Missing(Exception):
    """There are no data under this key; the words name it."""


class Writer:
    """Takes the data of one key, from the first byte to the last."""

    def write(self, chunk: bytes) -> None:
        """The next bytes."""
        raise NotImplementedError

    def finish(self) -> None:
        """All has come: the data are durable, and readable under the key, when this returns. Missing, when
        `remove` has been called for the key meanwhile and that can be seen."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Let go of connections and files. What was written may stay: `remove` is called for it. Harmless
        after `finish`."""
        raise NotImplementedError


class Store:
    """A place for data. `name` is what the operator calls it, `type` what it is."""

    type = ""
    read_only = False

    def __init__(self, name: str, options: Mapping[str, Any], state: Path) -> None:
        """`options` are the operator's (`[image.store.NAME]`); raises ValueError for those that cannot be.
        Nothing is connected to yet: a store that is down must not keep the cloud from starting."""
        self.name = name
        self.options = options
        self.description = str(options.get("description", ""))
        self.weight = int(options.get("weight", 0))

    def key(self, image_id: str, token: str) -> str:
        """The key of new data. Another token is another key, so that a writer who was given up cannot spoil
        what the next one writes."""
        return f"{image_id}.{token}"

    def url(self, key: str) -> str:
        """How the data are called as a location of an image; without credentials."""
        raise NotImplementedError

    def writer(self, key: str) -> Writer:
        raise NotImplementedError

    def read(self, key: str, first: int, length: int) -> Generator[bytes, None, None]:
        """`length` bytes from the byte `first` on, in pieces of at most some MiB; fewer bytes than that are
        an error, and raise Unavailable. Missing is raised by the first piece at the latest."""
        raise NotImplementedError

    def size(self, key: str) -> int | None:
        """The count of bytes under the key; None when it is certain that there are none."""
        raise NotImplementedError

    def remove(self, key: str) -> None:
        """Remove the data, and all that an unfinished writer left. It may be called again and again; when it
        returns, the data are gone."""
        raise NotImplementedError

    def path(self, key: str) -> Path | None:
        """The file on this machine that holds exactly the data, if there is one: it is sent to callers and
        linked by hypervisors without a copy."""
        return None

    def take(self, source: Path, key: str) -> bool:
        """Make a file of this machine the data of the key without copying it, durably; False if that cannot
        be, and it will be copied. The source stays where it is and will not be changed any more."""
        return False

    def sweep(self) -> None:
        """Called now and then: a chance to clear away what is certainly nobody's."""

    def details(self) -> dict[str, Any]:
        """What administrators are told about the store; no secrets."""
        return {}


def words(options: Mapping[str, Any], known: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The options with their defaults (`...` in `known` is one that must be given), of the defaults' types;
    raises ValueError for the rest."""
    unknown = sorted(set(options) - set(known) - {"description", "weight"})
    if unknown:
        raise ValueError(f"{where} has no option {', '.join(unknown)}; there are {', '.join(sorted(known))}.")
    out = {}
    for name, default in known.items():
        value = options.get(name, default)
        if value is ...:
            raise ValueError(f"{where} needs the option {name}.")
        out[name] = value if default is ... or default is None else _like(value, default, f"{where}: {name}")
    return out


def _like(value: Any, default: Any, where: str) -> Any:
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "yes", "1", "false", "no", "0"):
            return str(value).lower() in ("true", "yes", "1")
        raise ValueError(f"{where} is {value!r}: it must be true or false.")
    try:
        return type(default)(value)
    except (TypeError, ValueError):
        raise ValueError(f"{where} is {value!r}: it must be like {default!r}.") from None
