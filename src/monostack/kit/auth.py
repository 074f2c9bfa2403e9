"""Who asks: from a token to a Caller, in this process, without a request to ourselves.

Validated tokens are kept in a dict, each with the epoch of the snapshot it was validated in. What may make
a token wrong (revocation, a disabled project, a changed role, an endpoint in the catalogue) calls
`tx.ends_tokens()`, which counts the epoch up in the same transaction; a kept caller counts only where the
epoch still is his. Who is let in is looked at once more in the very snapshot or transaction that serves the
request, so that a token which another process ended does not pass from the moment that one has answered.

Where the database can be shared by processes the epoch is a row, read in the same round trip as BEGIN;
with SQLite, which one process holds, it is a number in memory. Why so: docs/decisions/0006.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from monostack.kit.db.columns import BigInteger, Column, String, Table

if TYPE_CHECKING:
    from monostack.cloud import Cloud
    from monostack.kit.db.tx import Db, Tx
    from monostack.kit.request import Request

EPOCHS = Table("auth_epochs", Column("name", String(16), primary_key=True), Column("value", BigInteger))
"""One row: how often tokens were ended. Only a transaction that ends some changes it, as its last statement,
so that who waits for the row waits for one commit."""

EPOCH = "tokens"
SEEN = f"select value from auth_epochs where name = '{EPOCH}'"
COUNTED_UP = f"update auth_epochs set value = value + 1 where name = '{EPOCH}'"

KEPT = 20_000
LONGEST = 8192


class Caller:
    """An authenticated caller: ids, names, roles and scope, and what policy wants of him.

    `epoch` and `kept_until` say how long what is known of him counts: until tokens are ended, or time alone
    changes what his token is worth.

    `credentials` is the dict that policy rules see; `own` the default target: things of his own.
    `access_rules` are what his token may be used for; None or empty where nothing limits it. `shown` is the
    answer to who asks what his token is worth, kept like himself by who makes it. `bound` is the thumbprint
    of the certificate that must come with his token."""

    __slots__ = (
        "access_rules",
        "bound",
        "credentials",
        "domain_id",
        "epoch",
        "expires",
        "kept_until",
        "own",
        "project_domain_id",
        "project_id",
        "project_name",
        "roles",
        "shown",
        "system",
        "token",
        "user_domain_id",
        "user_id",
        "user_name",
    )

    def __init__(
        self,
        *,
        user_id: str,
        user_name: str = "",
        user_domain_id: str | None = None,
        project_id: str | None = None,
        project_name: str | None = None,
        project_domain_id: str | None = None,
        domain_id: str | None = None,
        system: bool = False,
        roles: frozenset[str] = frozenset(),
        expires: float = 0.0,
        token: Mapping[str, Any] | None = None,
        access_rules: Sequence[Mapping[str, str]] | None = None,
        bound: str | None = None,
    ) -> None:
        self.user_id, self.user_name, self.user_domain_id = user_id, user_name, user_domain_id
        self.project_id, self.project_name, self.project_domain_id = (
            project_id,
            project_name,
            project_domain_id,
        )
        self.domain_id, self.system, self.roles, self.expires = domain_id, system, roles, expires
        self.token = token or {}
        self.access_rules = access_rules
        self.epoch, self.kept_until = -1, expires
        self.shown: bytes | None = None
        self.bound = bound
        lower = frozenset(role.lower() for role in roles)
        self.credentials = {
            "user_id": user_id,
            "user_domain_id": user_domain_id,
            "project_id": project_id,
            "tenant_id": project_id,
            "tenant": project_id,
            "project_domain_id": project_domain_id,
            "domain_id": domain_id,
            "system_scope": "all" if system else None,
            "system": system or None,
            "roles": lower,
            "is_admin": "admin" in lower,
            "is_admin_project": True,
            "service_roles": frozenset(),
            "token": self.token,
        }
        self.own = {
            "project_id": project_id,
            "tenant_id": project_id,
            "user_id": user_id,
            "domain_id": domain_id,
        }

    @property
    def admin(self) -> bool:
        """Whether the caller may see what belongs to other projects."""
        return "admin" in self.roles

    @property
    def service(self) -> bool:
        return "service" in self.roles


class NotAuthenticated(Exception):
    """The token is not good any more; the service's wire has the words."""


class Auth:
    """Token validation for every service of this process.

    `validator(db, token) -> Caller | None` is set by the identity service, or by the client of an external
    Keystone; so is `thumbprint(request)`, of the certificate that the request's client showed.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.validator: Callable[[Db, str], Caller | None] | None = None
        self.thumbprint: Callable[[Request], str | None] = lambda request: None
        self.kept: dict[str, Caller] = {}
        self.epoch = 0

    def prepare(self, tx: Tx) -> None:
        """The epoch's row, at every start. It begins at the time of day, so that a database that was emptied
        under us never comes back to an epoch we have seen."""
        if tx.one(EPOCHS, name=EPOCH) is None:
            tx.insert(EPOCHS, name=EPOCH, value=int(self.cloud.clock.time() * 1_000_000))

    async def authenticate(self, token: str) -> Caller | None:
        """The caller behind a token, None when it is not valid. What is kept of him may be out of date where
        processes share the database: `confirm` tells, in the snapshot that serves him."""
        kept = self.kept.get(token)
        if kept is not None and kept.kept_until > self.cloud.clock.time():
            return kept
        return await self.cloud.engine.read(self._caller_now, token)

    def _caller_now(self, db: Db, token: str) -> Caller | None:
        return self.caller(db, token)

    def caller(self, db: Db, token: str) -> Caller | None:
        """The caller behind a token as this snapshot has him; None when it is not valid."""
        now = self.cloud.clock.time()
        kept = self.kept.get(token)
        if kept is not None and kept.epoch == db.epoch and kept.kept_until > now:
            return kept
        if self.validator is None or len(token) > LONGEST:
            return None
        epoch = self.epoch
        found = self.validator(db, token)
        if found is None or found.expires <= now:
            self.kept.pop(token, None)
            return None
        found.epoch = db.epoch
        if not db.writes and epoch == self.epoch:  # a transaction may see what is never committed
            self._keep(token, found)
        return found

    def confirm(self, db: Db, request: Request) -> None:
        """Look whether the request's caller still is who he was; raises NotAuthenticated. Costs a comparison
        unless tokens were ended meanwhile."""
        if not request.authenticated or request.caller.epoch == db.epoch:
            return
        caller = self.caller(db, request.headers["x-auth-token"])
        if caller is None:
            request.authenticated = False
            raise NotAuthenticated
        request.caller = caller

    def _keep(self, token: str, caller: Caller) -> None:
        if len(self.kept) >= KEPT:
            self.kept.clear()
        self.kept[token] = caller

    def forget(self) -> None:
        """Forget every validated token of this process. What ends tokens calls `tx.ends_tokens()`."""
        self.epoch += 1
        self.kept.clear()
