"""What a server's status is, from its two states.

Only `vm_state` and `task_state` are stored; the status that users see is derived from the pair, in Python
for showing and in SQL for `?status=`, from the same table.

Source: compute API guide, "Server concepts", "Server status"; the states are the contract's.
"""

import sqlalchemy as sa

REBOOTING = {
    "rebooting": "REBOOT",
    "reboot_pending": "REBOOT",
    "reboot_started": "REBOOT",
    "rebooting_hard": "HARD_REBOOT",
    "reboot_pending_hard": "HARD_REBOOT",
    "reboot_started_hard": "HARD_REBOOT",
}
REBUILDING = {
    "rebuilding": "REBUILD",
    "rebuild_block_device_mapping": "REBUILD",
    "rebuild_spawning": "REBUILD",
}
RESIZING = {
    "resize_prep": "RESIZE",
    "resize_migrating": "RESIZE",
    "resize_migrated": "RESIZE",
    "resize_finish": "RESIZE",
}
MIGRATING = {"migrating": "MIGRATING"}

STATUS: dict[str, str] = {
    "active": "ACTIVE",
    "building": "BUILD",
    "stopped": "SHUTOFF",
    "resized": "VERIFY_RESIZE",
    "paused": "PAUSED",
    "suspended": "SUSPENDED",
    "rescued": "RESCUE",
    "error": "ERROR",
    "deleted": "DELETED",
    "soft-delete": "SOFT_DELETED",
    "shelved": "SHELVED",
    "shelved_offloaded": "SHELVED_OFFLOADED",
}
BY_TASK: dict[str, dict[str, str]] = {
    "active": REBOOTING | REBUILDING | RESIZING | MIGRATING | {"updating_password": "PASSWORD"},
    "stopped": RESIZING | REBUILDING,
    "resized": {"resize_reverting": "REVERT_RESIZE"},
    "paused": MIGRATING,
    "error": REBUILDING,
}

PROGRESS_SHOWN = frozenset(("ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"))
FAULT_SHOWN = frozenset(("ERROR", "DELETED"))

POWER_STATES = {"running": 1, "paused": 3, "off": 4, "crashed": 6, "suspended": 7}
"""What a hypervisor calls it -> the number on the wire; 0 is unknown."""
POWERS = {number: name for name, number in POWER_STATES.items()}


def status(vm_state: str, task_state: str | None) -> str:
    if task_state is not None:
        found = BY_TASK.get(vm_state, {}).get(task_state)
        if found is not None:
            return found
    return STATUS.get(vm_state, "UNKNOWN")


def known(word: str) -> bool:
    """Whether any pair of states is called so."""
    return word in STATUS.values() or any(word in tasks.values() for tasks in BY_TASK.values())


def condition(table, word: str):
    """The Core condition under which a row has this status. Its values are ours, none comes from a
    request."""
    options = []
    for vm_state, default in STATUS.items():
        tasks = BY_TASK.get(vm_state, {})
        if default == word:
            other = sa.or_(table.c.task_state.is_(None), table.c.task_state.not_in(_literals(tasks)))
            options.append(
                sa.and_(table.c.vm_state == sa.literal_column(f"'{vm_state}'"), other if tasks else sa.true())
            )
        chosen = [task for task, name in tasks.items() if name == word]
        if chosen:
            options.append(
                sa.and_(
                    table.c.vm_state == sa.literal_column(f"'{vm_state}'"),
                    table.c.task_state.in_(_literals(chosen)),
                )
            )
    return sa.or_(*options) if options else sa.false()


def _literals(words) -> list:
    return [sa.literal_column(f"'{word}'") for word in words]
