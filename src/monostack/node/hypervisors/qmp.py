"""One QEMU's monitor: commands, answers and events over its socket.

The protocol is a line of JSON each way (QEMU, docs/interop/qmp-spec). The package qemu.qmp speaks it too;
what is needed here is smaller and different in two points: files must travel with a command (an interface
that is plugged into a running guest is an open file), and the end of the connection is itself news,
namely that the guest is gone.

Paths of sockets end at 107 characters, and a cloud's state may lie deeper. `near` gives a short path to
the same place through an open folder.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST_SOCKET_PATH = 107
ANSWER_SECONDS = 30.0


class QmpError(Exception):
    """QEMU refused a command; the words are its own."""


class QmpGone(QmpError):
    """There is nobody at the other end, or not any more."""


class Qmp:
    """A connection to one monitor. `on_event(name, data)` is called for each event, `on_gone()` once."""

    def __init__(self, on_event: Callable[[str, dict], None], on_gone: Callable[[], None]) -> None:
        self.on_event = on_event
        self.on_gone = on_gone
        self.socket: socket.socket | None = None
        self._waiting: dict[int, asyncio.Future] = {}
        self._number = 0
        self._reader: asyncio.Task | None = None
        self._sending = asyncio.Lock()

    async def connect(self, path: Path, seconds: float = 5.0) -> None:
        """Connect and leave the negotiation mode; raises QmpGone when nobody answers in time."""
        loop = asyncio.get_running_loop()
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            with near(path) as short:
                stream.connect(short)
        except OSError as reason:
            stream.close()
            raise QmpGone(f"The monitor does not answer: {reason.strerror}.") from reason
        stream.setblocking(False)
        self.socket = stream
        greeted = self._waiting[0] = loop.create_future()
        self._reader = asyncio.create_task(self._read(stream))
        try:
            await asyncio.wait_for(greeted, seconds)
            await self.execute("qmp_capabilities", seconds=seconds)
        except (TimeoutError, QmpError) as reason:
            await self.close()
            raise QmpGone("The monitor does not greet.") from reason

    async def execute(
        self,
        command: str,
        arguments: dict | None = None,
        files: list[int] | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Any:
        """Run a command and return its answer; open files travel with it."""
        if self.socket is None:
            raise QmpGone("The guest's monitor is not connected.")
        self._number += 1
        number = self._number
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"execute": command, "arguments": arguments or {}, "id": number}).encode() + b"\n"
        try:
            async with self._sending:
                if files:
                    socket.send_fds(self.socket, [line], files)
                else:
                    await asyncio.get_running_loop().sock_sendall(self.socket, line)
            return await asyncio.wait_for(answer, seconds)
        except TimeoutError as reason:
            raise QmpGone(f"QEMU did not answer {command} within {seconds:g} seconds.") from reason
        except OSError as reason:
            raise QmpGone(f"The guest's monitor is gone: {reason.strerror}.") from reason
        finally:
            self._waiting.pop(number, None)

    async def job(self, command: str, arguments: dict, job_id: str, seconds: float) -> None:
        """Run a command that makes a job, and wait until the job is done."""
        await self.execute(command, {**arguments, "job-id": job_id})
        for _ in range(int(seconds / 0.02)):
            jobs = {job["id"]: job for job in await self.execute("query-jobs")}
            if jobs[job_id]["status"] == "concluded":
                await self.execute("job-dismiss", {"id": job_id})
                if jobs[job_id].get("error"):
                    raise QmpError(jobs[job_id]["error"])
                return
            await asyncio.sleep(0.02)
        raise QmpError(f"The job {command} did not end within {seconds:g} seconds.")

    async def close(self) -> None:
        """Let go of the monitor; `on_gone` is not called any more."""
        self.on_gone = _nothing
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        self._end()

    async def _read(self, stream: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        rest = b""
        try:
            while chunk := await loop.sock_recv(stream, 65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))
        except OSError:
            pass
        gone = self.on_gone
        self._end()
        gone()

    def _take(self, message: dict) -> None:
        if "event" in message:
            self.on_event(message["event"], message.get("data") or {})
            return
        waiting = self._waiting.get(0 if "QMP" in message else message.get("id", -1))
        if waiting is None or waiting.done():
            return
        if "error" in message:
            waiting.set_exception(QmpError(message["error"]["desc"]))
        else:
            waiting.set_result(message.get("return"))

    def _end(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(QmpGone("The guest's monitor closed the connection."))
        self._waiting.clear()


def _nothing() -> None:
    return None


@contextlib.contextmanager
def near(path: Path):
    """A path to the same place that fits into a socket's address."""
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
