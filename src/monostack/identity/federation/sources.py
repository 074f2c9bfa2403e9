"""Identity providers that this cloud asks itself, and how they are reached.

That stands in a file of the operator (setting federation.sources, by default federation.toml in
the state directory), one table for an identity provider's protocol. It is no attribute of the API, for it
holds secrets, and URLs and certificates that are trusted because the operator wrote them; who may only change
identity providers by the API cannot make this cloud ask strangers. It is read again when it was changed.

    [acme.openid]
    kind = "oidc"
    issuer = "https://login.acme.example"
    client_id = "cloud"
    client_secret = "..."

    [partner.saml2]
    kind = "saml"
    metadata = "partner.xml"

A protocol without a table takes what a trusted proxy says, and nothing else; one with a table never
believes a header (see assertions).

Source: OpenID Connect Core 1.0; SAML 2.0 Profiles."""

from __future__ import annotations

import logging
import tomllib
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monostack.identity.authentication.verifying import refused

if TYPE_CHECKING:
    from monostack.cloud import Cloud

log = logging.getLogger(__name__)


class NotProved(Exception):
    """What was brought proves nobody; the words say why, for the log."""


class BadSource(ValueError):
    """The file of sources is not as it must be; the words say where."""


@dataclass(frozen=True)
class Oidc:
    """An OpenID provider. `audiences` are those that access tokens may be for, by default the client itself.
    `introspect` asks the provider about access tokens that are no JWTs; `userinfo` asks for more claims."""

    issuer: str
    client_id: str
    client_secret: str = ""
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    audiences: tuple[str, ...] = ()
    introspect: bool = False
    userinfo: bool = False
    ca_file: str = ""


@dataclass(frozen=True)
class Saml:
    """A SAML identity provider, as its metadata (a file beside this one) describe it. `allow_sha1` believes
    signatures that are no longer good practice, as some clouds still make."""

    metadata: str
    allow_sha1: bool = False


Source = Oidc | Saml
KINDS: dict[str, type[Oidc] | type[Saml]] = {"oidc": Oidc, "saml": Saml}


def of(cloud: Cloud, idp_id: str, protocol_id: str) -> Source | None:
    """How the protocol of the provider is asked by this cloud itself; None where it is not."""
    return all_of(cloud).get((idp_id, protocol_id))


def all_of(cloud: Cloud) -> dict[tuple[str, str], Source]:
    """All sources by provider and protocol. A file that is wrong is none: nobody logs in by it."""
    try:
        return read(cloud)
    except BadSource as reason:
        log.error("%s", reason)
        raise refused() from None


def read(cloud: Cloud) -> dict[tuple[str, str], Source]:
    """All sources by provider and protocol; raises BadSource."""
    path = folder(cloud) / Path(cloud.settings.federation.sources).name
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return {}
    except (OSError, BadSource, tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
        raise BadSource(f"{path}: {reason}") from None


def folder(cloud: Cloud) -> Path:
    """The folder of the file of sources, and of the metadata that it names."""
    return (cloud.state / cloud.settings.federation.sources).parent


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> dict[tuple[str, str], Source]:
    out: dict[tuple[str, str], Source] = {}
    for idp_id, tables in tomllib.loads(path.read_text()).items():
        for protocol_id, table in tables.items() if isinstance(tables, dict) else ():
            out[idp_id, protocol_id] = _source(f"[{idp_id}.{protocol_id}]", table)
    return out


def _source(where: str, table: Any) -> Source:
    kind = KINDS.get(table.get("kind", "")) if isinstance(table, dict) else None
    if kind is None:
        raise BadSource(f"{where}: kind must be one of {', '.join(KINDS)}")
    known = {field.name: field for field in fields(kind)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in table.items()
    }
    del values["kind"]
    for name, value in values.items():
        if name not in known:
            raise BadSource(f"{where}: there is no {name}; there are {', '.join(known)}")
        wanted = str(known[name].type).partition("[")[0]
        if type(value).__name__ != wanted:
            raise BadSource(f"{where}: {name} must be a {wanted}")
    try:
        return kind(**values)
    except TypeError as reason:
        raise BadSource(f"{where}: {reason}") from None
