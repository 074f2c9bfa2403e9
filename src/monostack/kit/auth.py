"""Who asks: from a token to a Caller, in this process, without a request to ourselves.

Validated tokens are kept in a dict. Whatever makes a token wrong (revocation, a disabled project, a changed
role) bumps the epoch in the same transaction's `after`, and the dict is dropped whole: a cached answer never
outlives the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monostack.cloud import Cloud

KEPT = 20_000


class Caller:
    """An authenticated caller: ids, names, roles and scope, and what policy wants of him.

    `credentials` is the dict that policy rules see; `own` the default target: things of his own.
    """

    __slots__ = (
        "credentials",
        "domain_id",
        "expires",
        "own",
        "project_domain_id",
        "project_id",
        "project_name",
        "roles",
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
    ) -> None:
        self.user_id, self.user_name, self.user_domain_id = user_id, user_name, user_domain_id
        self.project_id, self.project_name, self.project_domain_id = (
            project_id,
            project_name,
            project_domain_id,
        )
        self.domain_id, self.system, self.roles, self.expires = domain_id, system, roles, expires
        self.token = token or {}
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


class Auth:
    """Token validation for every service of this process.

    `validator(db, token) -> Caller | None` is set by the identity service, or by the client of an external
    Keystone.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.validator = None
        self.kept: dict[str, Caller] = {}
        self.epoch = 0

    async def authenticate(self, token: str, request=None) -> Caller | None:
        """The caller behind a token, None when it is not valid (any more)."""
        caller = self.kept.get(token)
        if caller is not None:
            if caller.expires > self.cloud.clock.time():
                return caller
            del self.kept[token]
            return None
        if self.validator is None or len(token) > 8192:
            return None
        epoch = self.epoch
        caller = await self.cloud.engine.read(self.validator, token)
        if caller is not None and caller.expires > self.cloud.clock.time():
            if epoch == self.epoch:  # otherwise the answer may be older than what made it wrong
                self.keep(token, caller)
            return caller
        return None

    def keep(self, token: str, caller: Caller) -> None:
        if len(self.kept) >= KEPT:
            self.kept.clear()
        self.kept[token] = caller

    def bump(self) -> None:
        """Forget every validated token. Call it by `tx.after` with whatever may make one wrong."""
        self.epoch += 1
        self.kept.clear()
