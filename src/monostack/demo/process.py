"""The cloud of the demo: `monostack up` as a process of its own, so that it can be restarted under its
guests."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from monostack.demo.commands import StepFailed


class CloudProcess:
    """A `monostack up` with its state directory."""

    def __init__(self, state: Path, options: list[str]) -> None:
        self.state = state
        self.options = options
        self.process: subprocess.Popen | None = None
        self.log = state / "up.log"

    def start(self) -> float:
        """Start it; the seconds until it answered. Raises StepFailed with its last words."""
        started = time.monotonic()
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "monostack", "up", "--state", str(self.state), *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not (self.state / "ready").exists():
            if self.process.poll() is not None:
                raise StepFailed(f"the cloud did not start: {self._last_words()}")
            if time.monotonic() - started > 60:
                raise StepFailed(f"the cloud was not ready within 60 s: {self._last_words()}")
            time.sleep(0.02)
        return time.monotonic() - started

    def stop(self) -> float:
        """Stop it; the seconds it took. Its guests go on."""
        started = time.monotonic()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        return time.monotonic() - started

    def kill(self) -> None:
        """End it as abruptly as can be (SIGKILL)."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
        (self.state / "ready").unlink(missing_ok=True)

    def stop_guests(self) -> None:
        """Stop the guests that still run: the cloud lives once more for a moment, told to take them along."""
        if not (self.state / "node" / "servers").is_dir() or not any(
            (self.state / "node" / "servers").iterdir()
        ):
            return
        words, self.options = self.options, [*self.options, "--stop-guests"]
        try:
            self.start()
            self.stop()
        except StepFailed:
            self.stop()
        finally:
            self.options = words

    def status(self) -> dict:
        """What `monostack status` says."""
        words = [
            sys.executable,
            "-m",
            "monostack",
            "status",
            "--json",
            "--state",
            str(self.state),
            *self.options,
        ]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
        if done.returncode:
            raise StepFailed(f"monostack status: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace").strip()[-600:] or "it said nothing"
