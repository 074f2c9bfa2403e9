"""What can be done to a server, as rows of a table.

A server has one task slot. A verb may begin when the server's vm_state is among those it allows and the
slot is free (or holds a task that the verb may overwrite); otherwise the answer is 409 and names the state
in the way. Beginning writes what shall be (power, epochs) and the task; the task ends in one place
(`settle`), when the host reports that it is so.

Source: the contract's table of allowed states for each call.
"""

from dataclasses import dataclass

from monostack.kit.errors import Error

FREE: tuple[str | None, ...] = (None,)
ANY = None


@dataclass(frozen=True)
class Verb:
    """One thing that can be done.

    name      as the 409 and the instance action call it
    allowed   the vm_states it may begin in (ANY: all)
    task      the task_state while it is in flight
    over      the task_states it may begin in (ANY: all)
    power     the wanted power state; None leaves it
    boot      whether the guest must start anew
    disk      whether it must start from a new disk
    reboot    how a running guest is brought to start anew: "soft" asks it, "hard" pulls the plug
    then      the vm_state when done; "" is the one that goes with the wanted power state
    launched  whether the server must have been running once
    event     the event's name in the instance action
    """

    name: str
    allowed: tuple[str, ...] | None
    task: str
    then: str
    power: str | None = None
    over: tuple[str | None, ...] | None = FREE
    boot: bool = False
    disk: bool = False
    reboot: str = "hard"
    launched: bool = True
    event: str = ""


COPIED = ("active", "paused", "stopped", "suspended")
COPYING = ("snapshot", "backup")
"""They change nothing of the guest, and no report of its host ends them: that does who copies the disk."""

VERBS: dict[str, Verb] = {
    "create": Verb(
        "create",
        ANY,
        "spawning",
        "active",
        power="running",
        launched=False,
        event="compute__do_build_and_run_instance",
    ),
    "start": Verb(
        "start",
        ("stopped",),
        "powering-on",
        "active",
        power="running",
        boot=True,
        event="compute_start_instance",
    ),
    "stop": Verb(
        "stop", ("active", "error"), "powering-off", "stopped", power="off", event="compute_stop_instance"
    ),
    "reboot": Verb(
        "reboot",
        ("active",),
        "rebooting",
        "active",
        power="running",
        boot=True,
        reboot="soft",
        event="compute_reboot_instance",
    ),
    "reboot_hard": Verb(
        "reboot",
        ("active", "error", "paused", "stopped", "suspended"),
        "rebooting_hard",
        "active",
        power="running",
        boot=True,
        event="compute_reboot_instance",
        over=(
            None,
            "rebooting",
            "reboot_pending",
            "reboot_started",
            "resuming",
            "rebooting_hard",
            "unpausing",
            "pausing",
            "suspending",
        ),
    ),
    "pause": Verb("pause", ("active",), "pausing", "paused", power="paused", event="compute_pause_instance"),
    "unpause": Verb(
        "unpause", ("paused",), "unpausing", "active", power="running", event="compute_unpause_instance"
    ),
    "suspend": Verb(
        "suspend", ("active",), "suspending", "suspended", power="suspended", event="compute_suspend_instance"
    ),
    "resume": Verb(
        "resume", ("suspended",), "resuming", "active", power="running", event="compute_resume_instance"
    ),
    "rebuild": Verb(
        "rebuild",
        ("active", "error", "stopped"),
        "rebuilding",
        "",
        boot=True,
        disk=True,
        event="compute_rebuild_instance",
    ),
    "snapshot": Verb("createImage", COPIED, "image_snapshot", "", event="compute_snapshot_instance"),
    "backup": Verb("createBackup", COPIED, "image_backup", "", event="compute_backup_instance"),
    "delete": Verb(
        "delete", ANY, "deleting", "deleted", over=ANY, launched=False, event="compute_terminate_instance"
    ),
}

RESTORE = Verb("restore", ("soft-delete",), "", "")
"""Here a delete is a delete: no server is ever in soft-delete, and the 409 says in which state it is
instead."""

CRASH_DUMP = Verb("trigger_crash_dump", ("active", "error", "paused", "rescued", "resized"), "", "")
"""Changes no state: only where it is allowed is asked of it."""


def demand(verb: Verb, row, caller) -> None:
    """Raise the 409 that keeps the verb from beginning, if there is one."""
    server_id = row["id"]
    if row["locked"] and not caller.admin:
        raise Error(409, "InstanceIsLocked", f"Instance {server_id} is locked")
    if verb.allowed is not ANY and row["vm_state"] not in verb.allowed:
        raise _conflict(verb, server_id, "vm_state", row["vm_state"])
    if verb.over is not ANY and row["task_state"] not in verb.over:
        raise _conflict(verb, server_id, "task_state", row["task_state"])
    if verb.launched and row["launched_at"] is None:
        raise Error(
            409,
            "InstanceInvalidState",
            f"Instance {server_id} is in an invalid state for '{verb.name}': it has never run.",
        )


def _conflict(verb: Verb, server_id: str, attribute: str, state: str) -> Error:
    return Error(
        409,
        "InstanceInvalidState",
        f"Cannot '{verb.name}' instance {server_id} while it is in {attribute} {state}",
    )
