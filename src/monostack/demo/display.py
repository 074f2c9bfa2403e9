"""What a person sees of the story: a live table on a terminal, a line a step elsewhere."""

from __future__ import annotations

import sys

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from monostack.demo.story import Step, Story

MARKS = {
    "waiting": ("·", "dim"),
    "running": ("…", "yellow"),
    "done": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "left out": ("–", "dim"),
}


class Display:
    """Follows a story."""

    def __init__(self) -> None:
        self.console = Console(file=sys.stdout, highlight=False)
        self.story: Story | None = None
        self.command = ""
        self.note = ""
        self._live: Live | None = None
        self._told: set[str] = set()

    def say(self, words: str) -> None:
        """A line of its own, above the table."""
        self.console.print(words)

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self._live = Live(self._whole(), console=self.console, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def shown(self, command: str) -> None:
        """A command line that is being run."""
        self.command = command
        self._refresh()

    def changed(self, step: Step) -> None:
        if self._live is None and step.state != "running" and step.title not in self._told:
            self._told.add(step.title)
            mark, _ = MARKS[step.state]
            self.console.print(
                f"{mark} {step.title:<46} {step.seconds:6.1f} s  {step.result or step.left_out}",
                markup=False,
                soft_wrap=True,
            )
        if step.state != "running":
            self.command = ""
        self._refresh()

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._whole())

    def _whole(self):
        running = Spinner("dots", Text(self.command or "…", style="dim", overflow="ellipsis", no_wrap=True))
        return Group(self.table(), running)

    def table(self) -> Table:
        """All steps with their times."""
        table = Table(box=None, pad_edge=False, show_header=False)
        for step in self.story.steps if self.story else ():
            mark, style = MARKS[step.state]
            seconds = f"{step.seconds:.1f} s" if step.state in ("done", "failed") else ""
            table.add_row(
                Text(mark, style=style),
                Text(step.title),
                Text(seconds, justify="right"),
                Text(step.result or step.left_out, style="dim" if step.state != "failed" else "red"),
            )
        return table

    def end(self, story: Story, held: bool) -> None:
        """The table once more, the addresses, the files, three commands to try next."""
        if self.console.is_terminal:
            self.console.print(self.table())
        total = sum(step.seconds for step in story.steps)
        done = sum(step.state == "done" for step in story.steps)
        left_out = sum(step.state == "left out" for step in story.steps)
        verdict = "Every step held" if held else "NOT every step held"
        self.console.print(f"\n{verdict}: {done} done, {left_out} left out, {total:.1f} s.", style="bold")
        state = story.state
        facts = story.facts
        if facts.floating_ip:
            self.console.print(f"The guest had {facts.fixed_ip} and {facts.floating_ip}.", soft_wrap=True)
        self.console.print(
            f"Credentials: {state}/clouds.yaml, {state}/admin-openrc, {state}/demo-openrc", soft_wrap=True
        )
        if not held:
            self.console.print(f"The cloud's own words: {story.cloud.log}", soft_wrap=True)

    def next_commands(self, story: Story, program: str) -> None:
        """Three commands to try while the cloud is up."""
        state = story.state
        self.console.print("\nTry next, in another shell:", style="bold")
        for line in (
            f". {state}/demo-openrc",
            f"{program} server create --flavor m1.nano --image demo-image --network demo-net "
            "--key-name demo-key --security-group demo-group --wait mine",
            f"monostack status --state {state}",
        ):
            self.console.print("  " + line, markup=False, soft_wrap=True)
        self.console.print("\nThe cloud stays up until Ctrl-C.")
