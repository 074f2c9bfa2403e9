"""The cloud in a thread: start, look inside, break, reset."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monostack.cloud import Cloud
from monostack.kit.clock import Clock
from monostack.server import listen, make_server
from monostack.settings import Settings, load

PASSWORD = "secret"


def settings_for_tests(state: Path, **overrides: Any) -> Settings:
    """Simulated hosts, quick password hashes, one free port, known passwords."""
    values: dict[str, Any] = {
        "state": state,
        "shared_port": 0,
        "hypervisor": "simulated",
        "networks": "simulated",
        "host": "host",
        "persist_simulated": "false",
        "identity.password_hash_rounds": 4,
        "identity.admin_password": PASSWORD,
        "identity.demo_password": PASSWORD,
    }
    settings = load(values | {name.replace("__", "."): value for name, value in overrides.items()}, {})
    return settings


class TestClock(Clock):
    """A clock that tells the cloud when it was moved."""

    __test__ = False
    moved: Callable[[], None] = staticmethod(lambda: None)

    def advance(self, **delta: float) -> None:
        super().advance(**delta)
        self.moved()


class DisposableCloud:
    """A running cloud in a thread; `cloud` and `loop` are there once it is started."""

    cloud: Cloud
    loop: asyncio.AbstractEventLoop

    def __init__(self, settings: Settings, temporary: Path | None = None, *, alone: bool = True) -> None:
        self.settings = settings
        self.alone = alone
        self.clock = TestClock()
        self._temporary = temporary
        self._ready = threading.Event()
        self._problem: BaseException | None = None
        self._server: Any = None
        self._hurrying: asyncio.Task | None = None
        self._thread = threading.Thread(target=self._live, name="cloud", daemon=True)

    # life

    def start(self) -> DisposableCloud:
        """Start it and wait until it answers; raises what kept it from starting."""
        self._thread.start()
        self._ready.wait(30)
        if self._problem is not None:
            raise self._problem
        self.clock.moved = self._moved
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._server.force_exit = True
        self._thread.join(30)
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _live(self) -> None:
        try:
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main())
        except BaseException as problem:
            self._problem = problem
            self._ready.set()

    async def _main(self) -> None:
        from monostack.testing.controls import Controls

        self.loop = asyncio.get_running_loop()
        self.cloud = Cloud(self.settings, self.clock, alone=self.alone)
        sockets = listen(self.cloud)
        try:
            self.cloud.controls = Controls(self)
            self.cloud.prepare()
            self._keep_template()
            await self.cloud.start()
            self._server = make_server(self.cloud)
            server = asyncio.create_task(self._server.serve(sockets=sockets))
            while not self._server.started and not server.done():
                await asyncio.sleep(0.001)
            self._ready.set()
            await server
        finally:
            await self.cloud.stop()

    def run(self, coroutine) -> Any:
        """Run a coroutine inside the cloud's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    # the outside

    @property
    def port(self) -> int:
        return self.settings.shared_port or 0

    @property
    def url(self) -> str:
        """The root; services are mounted below it: /identity, /image, /placement, /network, /compute."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def auth_url(self) -> str:
        return f"{self.url}/identity/v3"

    def connection(
        self, project: str = "admin", user: str = "admin", password: str = PASSWORD, **options: Any
    ):
        """An openstacksdk connection."""
        import openstack

        return openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            auth_url=self.auth_url,
            username=user,
            password=password,
            project_name=project,
            user_domain_id="default",
            project_domain_id="default",
            region_name="RegionOne",
            **options,
        )

    # the inside

    def fail(
        self,
        next: str,
        error: str = "The fault that was asked for.",
        times: int = 1,  # noqa: A002
        retry: bool = False,
    ) -> None:
        """Let the next step of that name fail: "compute.spawn", "compute.reboot", "network.port.make" ..."""
        area, _, step = next.partition(".")

        async def arrange() -> None:
            for agent in self.cloud.agents:
                driver = agent.hypervisor if area == "compute" else agent.networks
                driver.fail(step, error, times, retry)

        if area not in ("compute", "network") or not step:
            raise ValueError(
                f"{next!r}: name a step of compute (compute.spawn) or network (network.port.make)"
            )
        self.run(arrange())

    def delay(self, step: str, seconds: float) -> None:
        """Let every step of that name take so long from now on."""
        area, _, name = step.partition(".")

        async def arrange() -> None:
            for agent in self.cloud.agents:
                driver = agent.hypervisor if area == "compute" else agent.networks
                driver.world.delays[name] = seconds

        self.run(arrange())

    def world(self) -> dict[str, Any]:
        """What exists in the simulated world: {"servers": {id: ...}, "parts": {"kind/id": ...}}."""

        async def look() -> dict[str, Any]:
            servers: dict[str, Any] = {}
            parts: dict[str, Any] = {}
            for agent in self.cloud.agents:
                servers |= agent.hypervisor.world.servers
                parts |= {f"{kind}/{id}": part for (kind, id), part in agent.networks.world.parts.items()}
            return {"servers": servers, "parts": parts}

        return self.run(look())

    def read(self, function: Callable, *args: Any) -> Any:
        """`function(db, *args)` over one snapshot of the database."""
        return self.run(self.cloud.engine.read(function, *args))

    def violations(self) -> list[str]:
        """What is wrong with the cloud, now that it is quiet; see `monostack.testing.checks`. Its hosts may
        have work still when a request was answered a moment ago: `settle` waits for them."""
        from monostack.testing import checks

        return self.read(checks.violations, self.world())

    def settle(self, seconds: float = 10.0) -> list[str]:
        """Wait until hosts and loops have made true what was asked, so long at the most; what is wrong
        then."""
        deadline = time.monotonic() + seconds
        while (wrong := self.violations()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return wrong

    def reset(self) -> None:
        """Back to the state right after the first start."""
        self.run(self._reset())

    def _keep_template(self) -> None:
        if self.cloud.engine.name == "sqlite":
            self.cloud.engine.writer.raw.execute("pragma wal_checkpoint(truncate)").fetchall()
            shutil.copyfile(self.cloud.engine.path, self._template)

    @property
    def _template(self) -> Path:
        return self.settings.state / "template.db"

    async def _reset(self) -> None:
        cloud = self.cloud
        for agent in cloud.agents:
            await agent.stop()
        await cloud.loops.stop()
        await cloud.processes.stop()
        self.clock.offset = 0.0
        if cloud.engine.name == "sqlite":
            while cloud.engine.busy:  # a cancelled loop's last write is still being committed
                await asyncio.sleep(0.001)
            cloud.engine.reopen(self._template)
        else:
            cloud.engine.empty()
            await cloud.engine.write(cloud._bootstrap)
        cloud.auth.forget()
        cloud.hub.forget_all()
        for folder in ("images", "staging", "image-cache"):
            shutil.rmtree(cloud.state / folder, ignore_errors=True)
        shutil.rmtree(cloud.state / "node", ignore_errors=True)
        await cloud.processes.start()
        cloud.loops.start()
        await cloud._start_agents()

    def _moved(self) -> None:
        """Time has passed: the hosts say that they live still, and only then do the loops look."""
        if threading.current_thread() is self._thread:
            self._hurrying = self.loop.create_task(self._hurry())
        else:
            self.run(self._hurry())

    async def _hurry(self) -> None:
        self.cloud.auth.forget()
        for agent in self.cloud.agents:
            if any(not task.done() for task in agent.tasks):
                await agent.transport.beat(agent.host)
        self.cloud.loops.wake_all()


@contextmanager
def cloud(only: tuple[str, ...] = (), **overrides: Any) -> Iterator[DisposableCloud]:
    """A running cloud, gone at the end. `only` names the services wanted; further keywords are settings with
    "__" for the dot (`node__simulated_hosts=3`, `database="postgresql://..."`)."""
    parent = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="monostack-test-", dir=parent))
    disposable = DisposableCloud(settings_for_tests(folder, only=only, **overrides), folder)
    try:
        yield disposable.start()
    finally:
        disposable.stop()
