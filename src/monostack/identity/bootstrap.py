"""What a new cloud has before anybody logs in, and what every start makes sure of.

Made once: the domain Default, the projects admin, demo and service, the users admin and demo, the roles that
all services' rules speak of (they cannot be changed by accident: immutable), and who has which. Made at every
start: the region, and a service and three endpoints for each service that runs here, with the URLs of now
(one of several processes leaves the URLs that are there, unless it is told the public one).
Their ids are derived from the cloud's own, so that a client's notes stay true. Passwords come from the
settings, or are random and told once, in `cloud.first_passwords`.

Source: identity administration guide, "Bootstrapping Identity"; what DevStack assigns.
"""

from __future__ import annotations

import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

from monostack.identity.authentication import certificates, passwords, proxies, verified, verifying
from monostack.identity.authentication.attempts import Attempts
from monostack.identity.authentication.methods import known
from monostack.identity.catalog.catalog import Kept
from monostack.identity.foundation import DEFAULT_DOMAIN, INTERFACES, Foundation
from monostack.identity.tables import ENDPOINTS, PROJECTS, SERVICES
from monostack.identity.tokens import keys, providers, tokens
from monostack.identity.users import password_rules
from monostack.kit.db import Tx

if TYPE_CHECKING:
    from monostack.cloud import Cloud
    from monostack.identity.ldap.directories import Directories


class Runtime:
    """What identity keeps in memory: the maker of tokens, keys, verified logins, catalogues."""

    def __init__(self, cloud: Cloud) -> None:
        self.tokens = providers.provider(cloud.settings.identity.token_provider, cloud.state)
        self.credential_keys = keys.Keys(cloud.state / "credential-keys")
        self.verified = verified.Verified()
        self.catalogs = Kept()
        self.borne: dict[tuple, tuple] = {}
        """What tokens.py keeps."""
        self._cloud = cloud
        self._keys_seen = self.tokens.look_again()
        cloud.watching["keys of tokens"] = self._look_at_keys
        self._directories: Directories | None = None
        known.check(cloud.settings.identity)
        proxies.check(cloud.settings)
        password_rules.check_settings(cloud.settings.identity)
        self.recipe = verifying.recipe(cloud.settings.identity)
        self.attempts = Attempts(cloud.settings.identity.failed_logins_per_minute)
        self._receipt_keys = cloud.state / "receipt-keys"
        self._nobodys_hash: str | None = None

    def _look_at_keys(self) -> bool:
        """Whether they are others now: a token whose key was taken away is not good any more."""
        before, self._keys_seen = self._keys_seen, self.tokens.look_again()
        return before != self._keys_seen

    @property
    def directories(self) -> Directories:
        """The directories that domains have; nothing of them is imported before the first one is asked."""
        if self._directories is None:
            from monostack.identity.ldap.directories import Directories

            self._directories = Directories(self._cloud)
        return self._directories

    @property
    def nobodys_hash(self) -> str:
        """A hash that no password fits, as costly as a real one: an unknown user takes as long as a wrong
        password."""
        if self._nobodys_hash is None:
            self._nobodys_hash = passwords.unmatched(self.recipe)
        return self._nobodys_hash

    @cached_property
    def receipt_keys(self) -> keys.Keys:
        """Made when the first receipt is: most clouds never give one."""
        return keys.Keys(self._receipt_keys)


def bootstrap(tx: Tx, cloud: Cloud) -> None:
    """Idempotent, at every start."""
    cloud.identity = Runtime(cloud)
    cloud.auth.validator = tokens.validate
    cloud.auth.thumbprint = certificates.thumbprint
    cloud.first_passwords = {}
    if tx.one(PROJECTS, id=DEFAULT_DOMAIN) is None:
        _first_start(tx, cloud)
    Foundation(tx).region(cloud.settings.region)
    for service in cloud.services:
        _in_catalog(tx, cloud, service)


def _first_start(tx: Tx, cloud: Cloud) -> None:
    made = Foundation(tx)
    made.domain()
    admins = made.project("admin", "Bootstrap project for initializing the cloud.")
    demos = made.project("demo")
    made.project("service")
    roles = made.roles()
    hashes = _hashes(cloud)
    admin, demo = (made.user(name, hashes[name]) for name in ("admin", "demo"))
    made.administer(admin, admins, roles["admin"])
    made.assign(admin, "project", demos, roles["admin"])
    made.assign(admin, "domain", DEFAULT_DOMAIN, roles["admin"])
    made.assign(demo, "project", demos, roles["member"])


def _hashes(cloud: Cloud) -> dict[str, str]:
    """The hashes of the first passwords, by the users' names."""
    settings = cloud.settings.identity
    chosen = {
        "admin": settings.admin_password or secrets.token_urlsafe(15),
        "demo": settings.demo_password or secrets.token_urlsafe(15),
    }

    def hashed(password: str) -> str:
        return passwords.hashed(password, cloud.identity.recipe)

    cloud.first_passwords = chosen
    with ThreadPoolExecutor(len(chosen)) as pool:
        return dict(zip(chosen, pool.map(hashed, chosen.values()), strict=True))


def _in_catalog(tx: Tx, cloud: Cloud, service) -> None:
    """A service that runs here and its endpoints; a URL that changed is set anew."""
    space = uuid.UUID(cloud.id)
    service_id = uuid.uuid5(space, f"service/{service.name}").hex
    if tx.one(SERVICES, id=service_id) is None:
        extra = {"description": service.description} if service.description else {}
        tx.insert(SERVICES, id=service_id, name=service.title, type=service.type, enabled=True, extra=extra)
    url = cloud.endpoint_url(service)
    for interface in INTERFACES:
        endpoint_id = uuid.uuid5(space, f"endpoint/{service.name}/{interface}").hex
        row = tx.one(ENDPOINTS, id=endpoint_id)
        if row is None:
            tx.insert(
                ENDPOINTS,
                id=endpoint_id,
                service_id=service_id,
                interface=interface,
                region_id=cloud.settings.region,
                url=url,
                enabled=True,
                extra={},
            )
        elif row["url"] != url and (cloud.alone or cloud.settings.public_url):
            tx.set(row, url=url)
            tx.ends_tokens()
