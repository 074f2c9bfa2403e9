"""The composition root: settings become a running cloud.

`async with Cloud(settings) as cloud` is the whole product in one process: database, services, loops, the
local agent. Nothing below this module knows which services there are.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from monostack.kit import agents, events, quota
from monostack.kit.app import App, Site
from monostack.kit.auth import COUNTED_UP, EPOCHS, SEEN, Auth
from monostack.kit.clock import Clock
from monostack.kit.context import CpuPool
from monostack.kit.db import Column, String, Table, Text
from monostack.kit.db import upgrade as schema
from monostack.kit.db.engine import open_engine
from monostack.kit.hints import Hints
from monostack.kit.hooks import Hooks
from monostack.kit.ids import new_uuid
from monostack.kit.loops import Loops
from monostack.kit.policy import Policy
from monostack.kit.processes import LEASES, PROCESSES, Processes
from monostack.kit.questions import QUESTIONS, Questions
from monostack.kit.resource import Response, Service
from monostack.settings import Settings

ORDER = ("identity", "placement", "image", "network", "compute")
"""The services, lowest first: each may call those before it."""

ABOUT = Table("cloud", Column("name", String(64), primary_key=True), Column("value", Text))
KIT_TABLES = (
    ABOUT,
    EPOCHS,
    PROCESSES,
    LEASES,
    QUESTIONS,
    events.EVENTS,
    quota.LIMITS,
    quota.LOCKS,
    agents.HOSTS,
)

log = logging.getLogger(__name__)


class Held(Exception):
    """Another process holds the state directory; the words say which."""


class Cloud:
    """A running cloud, or one process of it.

    `alone`: the only process of its state directory, with this machine's agents. Otherwise it serves the API
    and runs loops beside others on one PostgreSQL, and has no world of its own.

    `app` is there once it is prepared; so are `identity` and `placement`, what these services keep in memory
    where they run. That is theirs alone, so what it is is not said here.
    """

    app: App
    identity: Any
    placement: Any

    def __init__(self, settings: Settings, clock: Clock | None = None, *, alone: bool = True) -> None:
        self.settings = settings
        self.alone = alone
        self.clock = clock or Clock()
        self.hooks = Hooks()
        self.auth = Auth(self)
        self.cpu = CpuPool()
        self.processes = Processes(self)
        self.hints = Hints(self)
        self.questions = Questions(self)
        self.loops = Loops(self)
        self.hub = agents.Hub(self)
        self.policies: dict[str, Policy] = {}
        self.controls: Callable[..., Awaitable[Response]] | None = None
        self.agents: list = []
        self.metadata: Callable[..., Awaitable[Any]] | None = None
        self.image_file: Callable[[Cloud, str, Path], Awaitable[bool]] | None = None
        self.first_passwords: dict[str, str] = {}
        self.id = ""
        self.new = False
        self.services: list[Service] = load_services(settings.only)
        self.state_lock: TextIO | None = None
        self.engine: Any = None
        self.watching: dict[str, Callable[[], bool]] = {
            "policy.yaml": self._look_at_policy,
            "database": lambda: self.engine.written_elsewhere(),
        }
        self._watch: asyncio.Task | None = None

    # `watching` are looked at twice a second: files that an operator or another process may change; true
    # tells that the callers who are kept must be validated anew.
    # `metadata` (async: what a guest asks at 169.254.169.254 -> answer) and `image_file` (async:
    # cloud, id, path -> whether the path is now a file with the image's data) are set by the services that
    # know; the node gets them through here, so that it needs no service.

    # what services ask

    def policy(self, service: str) -> Policy:
        return self.policies[service]

    def service(self, name: str) -> Service | None:
        return next((service for service in self.services if service.name == name), None)

    def needed(self, name: str) -> Service:
        """A service that runs because the one that asks names it in `needs`."""
        found = self.service(name)
        if found is None:
            raise LookupError(f"the service {name} does not run here")
        return found

    def has(self, name: str) -> bool:
        return any(service.name == name for service in self.services)

    def port(self, service: Service) -> int:
        """The port that the catalogue names for a service."""
        if self.settings.shared_port is not None:
            return self.settings.shared_port
        return service.ports[0] + self.settings.port_offset

    def root_url(self, service: Service) -> str:
        """The URL of a service's root, as the catalogue has it; no slash at the end."""
        public = self.settings.public_url.rstrip("/")
        if public:
            one_port = self.settings.shared_port is not None or urlsplit(public).port is not None
            return f"{public}/{service.mount}" if one_port else f"{public}:{self.port(service)}"
        listen = self.settings.listen if self.settings.listen not in ("0.0.0.0", "::") else self.settings.host
        mount = f"/{service.mount}" if self.settings.shared_port is not None else ""
        return f"http://{listen}:{self.port(service)}{mount}"

    def endpoint_url(self, service: Service) -> str:
        return self.root_url(service) + service.endpoint

    def identity_url(self, request=None) -> str:
        identity = self.service("identity")
        return self.endpoint_url(identity) if identity else ""

    @property
    def state(self) -> Path:
        return self.settings.state

    # life

    async def __aenter__(self) -> Cloud:
        await self.start()
        return self

    async def __aexit__(self, *_) -> None:
        await self.stop()

    def prepare(self) -> None:
        """Everything that needs no event loop: lock, database, schema, policies, bootstrap, application."""
        self.take_state()
        _check_public_url(self.settings.public_url)
        self.engine = open_engine(self.settings.database_url, self)
        tables = list(KIT_TABLES)
        for service in self.services:
            tables += service.tables
            for name, function in service.hooks:
                self.hooks.on(name, function)
            for loop in service.loops:
                self.loops.add(loop)
            for kind in service.parts:
                self.hub.add(kind)
            folder = package_folder(service)
            self.policies[service.name] = Policy.load(
                service.name, folder / "policies.tsv", self.state / "policy.yaml"
            )
        self._say_policy()
        with self.engine.preparing():
            self._look_for_keys()
            schema.expand(self.engine, tables)
            self.engine.write_now(self._bootstrap)
        if self.engine.shared:
            self.engine.watch(SEEN, COUNTED_UP)
        sites = []
        for service in self.services:
            folder = package_folder(service)
            sites.append(Site(self, service, folder))
            for companion in service.companions:
                self.policies[companion.name] = self.policies[service.name]
                sites.append(Site(self, companion, folder))
        self.app = App(self, sites)
        if self.settings.shared_port is None:
            for site in sites:
                for port in site.service.ports:
                    self.app.by_port[port + self.settings.port_offset] = site

    @property
    def customary_ports(self) -> list[int]:
        """The ports of all services and their companions, with the offset."""
        doors = [door for service in self.services for door in (service, *service.companions)]
        return [port + self.settings.port_offset for door in doors for port in door.ports]

    @property
    def further_ports(self) -> set[int]:
        """Ports that old guides also name (35357); without one of them the service still has its first."""
        return {port + self.settings.port_offset for service in self.services for port in service.ports[1:]}

    def _look_for_keys(self) -> None:
        """A process that joins a cloud needs its keys: with others of its own it would make tokens that the
        rest does not know, and would know none of theirs. Raises ValueError."""
        if not self.engine.shared or (self.state / "fernet-keys").is_dir():
            return
        if ABOUT.name in self.engine.columns() and self.engine.now(lambda db: db.one(ABOUT, name="id")):
            raise ValueError(
                f"the cloud of this database has its keys elsewhere, and {self.state} has none: "
                "share the state directory of the first process, or copy its keys and images here"
            )

    def _bootstrap(self, tx) -> None:
        row = tx.one(ABOUT, name="id")
        self.new = row is None
        if row is None:
            row = tx.insert(ABOUT, name="id", value=new_uuid())
        self.id = row["value"]
        self.auth.prepare(tx)
        self.processes.prepare(tx)
        for service in self.services:
            if service.bootstrap is not None:
                service.bootstrap(tx, self)

    async def start(self) -> None:
        """Start answering's prerequisites: loops and the local agents. The HTTP server is
        `monostack.server`."""
        if self.engine is None:
            self.prepare()
        await self.processes.start()
        self.loops.start()
        self.hints.start()
        self._watch = asyncio.create_task(self._watch_files())
        await self._start_agents()

    async def _start_agents(self) -> None:
        if not self.alone or not (self.has("compute") or self.has("network")):
            return
        from monostack.node import local

        self.agents = await local.start(self)

    async def _watch_files(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            for name, look in self.watching.items():
                try:
                    if look():
                        self.auth.forget()
                except Exception as reason:
                    log.error("%s: %s", name, reason)

    def _look_at_policy(self) -> bool:
        """Read policy.yaml again when it changes; what is wrong with it is said in the log and by `policy
        list`."""
        changed = [policy for policy in self.policies.values() if policy.reload_if_changed()]
        if changed:
            self._say_policy()
        return False

    def _say_policy(self) -> None:
        problems = {policy.problem for policy in self.policies.values() if policy.problem}
        for problem in problems:
            log.warning("policy.yaml is not in force, the rules before it are: %s", problem)
        unknown = [set(policy.unknown) for policy in self.policies.values()]
        for rule in sorted(set.intersection(*unknown)) if unknown else ():
            log.warning("policy.yaml has the rule %s, which no service knows", rule)

    async def stop(self) -> None:
        """End: agents first (guests go on, unless settings.stop_guests), then loops, then the database."""
        for agent in self.agents:
            await agent.stop(self.settings.stop_guests)
        self.agents = []
        if self._watch is not None:
            self._watch.cancel()
        await self.hints.stop()
        await self.loops.stop()
        await self.processes.stop()
        self.cpu.close()
        self.let_go()

    def let_go(self) -> None:
        """Close the database and leave the state directory to others."""
        if self.engine is not None:
            self.engine.close()
            self.engine = None
        if self.state_lock is not None:
            self.state_lock.close()
            self.state_lock = None

    def take_state(self) -> None:
        """Make the state directory and hold it, alone or with others that share it; raises Held when another
        process does not agree."""
        if self.state_lock is not None:
            return
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = open(self.state / "lock", "a+")  # noqa: SIM115 - held for the life of the cloud
        try:
            fcntl.flock(lock, (fcntl.LOCK_EX if self.alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            raise Held(_holder_words(self.state, holder)) from None
        self.state_lock = lock
        about = {"listen": self.settings.listen, "port_offset": self.settings.port_offset}
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid()} | about))
        lock.flush()


def _holder_words(state: Path, holder: str) -> str:
    try:
        about = json.loads(holder)
        who = (
            f"process {about['pid']}, listening on {about['listen']} with port offset {about['port_offset']}"
        )
    except (ValueError, KeyError):
        who = "another process"
    return f"{state} is in use by {who}. Stop it first, or give another directory with --state."


def _check_public_url(url: str) -> None:
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise ValueError(f"public_url is {url!r}: it must be like https://cloud.example.org")


def package_folder(service: Service) -> Path:
    return Path(__file__).parent / service.name


def load_services(only: tuple[str, ...] = ()) -> list[Service]:
    """The services to run, lowest first, with what they need; raises ValueError for an unknown name."""
    unknown = [name for name in only if name not in ORDER]
    if unknown:
        raise ValueError(f"there is no service {', '.join(unknown)}; there are: {', '.join(ORDER)}")
    wanted = set(only or ORDER)
    found: dict[str, Service] = {}
    for name in reversed(ORDER):
        if name in wanted:
            service = importlib.import_module(f"monostack.{name}.service").SERVICE
            wanted.update(service.needs)
            found[name] = service
    return [found[name] for name in ORDER if name in found]
