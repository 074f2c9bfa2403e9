"""From a path to a document, and from a packet's source to a server.

A guest cannot say who it is, and need not: its address on its network does, and the host's packet filter
keeps that honest. What does not exist and what belongs to nobody is 404 alike, in words that say what there
is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from monostack.compute.metadata import ec2, openstack, passwords
from monostack.compute.metadata.subject import Subject, load
from monostack.compute.servers import rows

TEXT = "text/plain; charset=UTF-8"
JSON = "application/json"
BYTES = "application/octet-stream"

Answer = tuple[int, dict[str, str], bytes]


def answerer(cloud) -> Callable[..., Awaitable[Answer]]:
    """What the hosts' networks ask on behalf of their guests."""

    async def answer(
        network_id: str, source_ip: str, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        return await respond(cloud, _by_address, (network_id, source_ip), method, path, body)

    return answer


def _by_address(db, network_id: str, source_ip: str) -> Any:
    from monostack import network

    port = network.port_by_address(db, network_id, source_ip)
    if port is None or not port["device_id"]:
        return None
    return db.one(rows.SERVERS, id=port["device_id"], lock=False)


def by_id(db, server_id: str, project_id: str) -> Any:
    """The server that a trusted proxy names."""
    return db.one(rows.SERVERS, id=server_id, project_id=project_id, lock=False)


async def respond(
    cloud, find: Callable, names: tuple[str, ...], method: str, path: str, body: bytes
) -> Answer:
    """Answer a request about the server that `find(db, *names)` finds."""
    words = [word for word in path.partition("?")[0].split("/") if word]
    if not words:
        return _text(200, listing((*ec2.VERSIONS, ec2.LATEST)))
    if method == "POST":
        return await _say_password(cloud, find, names, words, body)
    if method not in ("GET", "HEAD"):
        return _text(405, f"{method} is not understood here: use GET.")
    return await cloud.engine.read(_read, find, names, words)


def _read(db, find: Callable, names: tuple[str, ...], words: list[str]) -> Answer:
    row = find(db, *names)
    if row is None:
        return _text(404, "No server of this cloud has this address.")
    if words[0] != "openstack":
        return _ec2(load(db, row), words)
    if words[2:] == [openstack.PASSWORD] and _has_password(words[1]):
        return _text(200, passwords.of(db, row["id"]))
    return _openstack(load(db, row), words[1:])


def _ec2(subject: Subject, words: list[str]) -> Answer:
    version = ec2.resolve(words[0])
    found = ec2.walk(ec2.tree(subject, version), words[1:]) if version else None
    if found is None:
        return _unknown(words)
    return 200, {"content-type": BYTES if isinstance(found, bytes) else TEXT}, ec2.text(found)


def _openstack(subject: Subject, words: list[str]) -> Answer:
    if not words:
        return _text(200, listing((*openstack.VERSIONS, openstack.LATEST)))
    if words[0] == "content" and len(words) == 2:
        content = openstack.content(subject, words[1])
        return _unknown(words) if content is None else (200, {"content-type": BYTES}, content)
    version = openstack.resolve(words[0])
    if version is None or len(words) > 2:
        return _unknown(words)
    if len(words) == 1:
        return _text(200, listing(openstack.names(subject, version)))
    content = openstack.document(subject, version, words[1])
    if content is None:
        return _unknown(words)
    return 200, {"content-type": JSON if words[1].endswith(".json") else BYTES}, content


async def _say_password(
    cloud, find: Callable, names: tuple[str, ...], words: list[str], body: bytes
) -> Answer:
    """A guest tells, once, the password that it gave itself, encrypted with the user's key."""
    if words[0] != "openstack" or words[2:] != [openstack.PASSWORD] or not _has_password(words[1]):
        return _unknown(words)
    if len(body) > passwords.LONGEST:
        return _text(400, f"The password is too long: at most {passwords.LONGEST} bytes.")
    try:
        password = body.decode("ascii")
    except UnicodeDecodeError:
        return _text(400, "The password must be ASCII text, such as Base64.")
    return await cloud.engine.write(_keep_password, find, names, password)


def _keep_password(tx, find: Callable, names: tuple[str, ...], password: str) -> Answer:
    row = find(tx, *names)
    if row is None:
        return _text(404, "No server of this cloud has this address.")
    if not passwords.keep(tx, row["id"], password):
        return _text(409, "The password was told before and is kept; the user can clear it through the API.")
    return _text(200, "")


def _has_password(version: str) -> bool:
    known = openstack.resolve(version)
    return known is not None and known >= openstack.PASSWORD_SINCE


def listing(names) -> str:
    return "\n".join(names)


def _unknown(words: list[str]) -> Answer:
    return _text(404, f"There is no /{'/'.join(words)} here. GET / and /openstack list the versions.")


def _text(status: int, words: str) -> Answer:
    return status, {"content-type": TEXT}, words.encode()
