"""Logging in by the word of an identity provider.

The method is `mapped`, or has the name of a protocol; it proves the user whom the protocol's mapping makes of
the assertion. Given a token that was got so, it is a way to another scope, by which the token's end does not
move. Who is known to the provider and not to the mapping is refused like everybody else; the log says why.

Source: identity API reference, "OS-FEDERATION", "Request an unscoped OS-FEDERATION token" and "Request a
scoped OS-FEDERATION token"; what a current identity service answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from monostack.identity.authentication import bodies
from monostack.identity.authentication.methods import token
from monostack.identity.authentication.methods.method import Method, Proof
from monostack.identity.authentication.verifying import refused
from monostack.identity.federation import (
    assertions,
    identity_providers,
    language,
    mappings,
    people,
    protocols,
    provision,
)
from monostack.identity.federation.language import Assertion, NotMapped
from monostack.identity.tokens import tokens
from monostack.kit.context import Context
from monostack.kit.db import Db, Row, Taken, Tx
from monostack.kit.errors import Error

NAMES = ("mapped", "saml2", "openid")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """A token to go on with, or a provider and a protocol; with the assertion if it was taken already."""

    idp_id: str = ""
    protocol_id: str = ""
    token: tuple[str, bool] | None = None
    assertion: Assertion | None = None


def _read(name: str, asked: Any, auth: Mapping[str, Any]) -> Asked:
    field = f"identity/{name}"
    bodies.must_be(asked, field, "object")
    bodies.texts(asked, field, "id", "identity_provider", "protocol")
    if "id" in asked:
        return Asked(token=token.read(asked, auth))
    for attribute in ("identity_provider", "protocol"):
        if attribute not in asked:
            raise bodies.lacks(attribute, "mapped")
    return Asked(asked["identity_provider"], asked["protocol"])


async def _prove(name: str, ctx: Context, asked: Asked) -> Proof:
    if asked.token is not None:
        claims = await ctx.read(tokens.claims_of, asked.token[0])
        if claims is not None and not claims.federation:
            raise refused()
        return replace(await token.prove(ctx, asked.token), methods=(name,), default_project=False)
    await ctx.read(is_offered, asked.idp_id, asked.protocol_id)
    assertion = asked.assertion
    if assertion is None:
        assertion = await assertions.presented(ctx, asked.idp_id, asked.protocol_id)
    try:
        user, group_ids = await ctx.write(_arrive, asked.idp_id, asked.protocol_id, assertion)
    except (Taken, Error) as clash:
        # what he needs was made by another login at the same moment: the second time it is there
        if isinstance(clash, Error) and clash.code != 409:
            raise
        user, group_ids = await ctx.write(_arrive, asked.idp_id, asked.protocol_id, assertion)
    more: dict[str, Any] = {}
    if group_ids is not None:
        vouched = {"idp": asked.idp_id, "protocol": asked.protocol_id, "groups": group_ids}
        more["federation"] = vouched
    return Proof(user["id"], (name,), default_project=False, more=more)


def is_offered(db: Db, idp_id: str, protocol_id: str) -> None:
    """Refuse what is not there or disabled, before anybody is asked about an assertion."""
    identity_providers.enabled(db, idp_id)
    protocols.find(db, idp_id, protocol_id)


def _arrive(tx: Tx, idp_id: str, protocol_id: str, assertion: Assertion) -> tuple[Row, list[str] | None]:
    """The user that follows from the assertion, and the ids of his groups; None for a user of our own."""
    provider = identity_providers.enabled(tx, idp_id)
    protocol = protocols.find(tx, idp_id, protocol_id, lock=False)
    _check_issuer(tx, provider, protocol, assertion)
    mapping = mappings.find(tx, protocol["mapping_id"], lock=False)
    version = mapping["schema_version"]
    try:
        mapped = language.apply(mapping["rules"], assertion, version)
        user, group_ids = people.arrive(tx, provider, protocol_id, mapped)
    except NotMapped as reason:
        log.warning("%s: nobody came by %s of %s: %s", tx.cloud.settings.host, protocol_id, idp_id, reason)
        raise refused() from None
    if mapped.user["type"] == "local":
        return user, None
    if mapped.projects or version == provision.IN_STEP:
        provision.give(tx, user, provider, mapped.projects, version)
    return user, group_ids


def _check_issuer(db: Db, provider: Row, protocol: Row, assertion: Assertion) -> None:
    """The assertion must be of the provider, where it can be told: an attribute holds its remote id."""
    attribute = protocol["remote_id_attribute"] or db.cloud.settings.federation.remote_id_attribute
    known = identity_providers.remote_ids(db, provider["id"])
    if not attribute or not known:
        return
    said = assertion.get(attribute)
    if not said:
        raise refused()
    if len(said) != 1 or said[0] not in known:
        raise Error(403, "Forbidden", "You are not authorized to perform the requested action.")


METHODS = tuple(Method(name, partial(_read, name), partial(_prove, name)) for name in NAMES)
"""The method that a token names is the one of the protocol where there is such a one, else `mapped`."""


def method_of(protocol_id: str) -> Method:
    return next((method for method in METHODS if method.name == protocol_id), METHODS[0])
