"""POST /servers/{id}/action: the verbs that users know, and the few actions that are no verbs.

A verb only writes what shall be; the answer is 202 and the task ends when the host reports. What asks the
world (console output, a crash dump) waits for the host's answer and changes nothing.

Source: compute API reference, "Servers - run an action".
"""

from typing import Any

from monostack.compute import instance_actions
from monostack.compute.servers import ports, rows, verbs
from monostack.compute.servers.verbs import VERBS, Verb
from monostack.kit.errors import Error
from monostack.kit.resource import Route

LOCK = "os_compute_api:os-lock-server:"


def begin(request, tx, verb_name: str) -> None:
    """Write a verb's wish, unless something speaks against it (409)."""
    row = rows.find(tx, request)
    demand(request, row, verb_name)
    carry_out(request, tx, row, verb_name)


def demand(request, row, verb_name: str) -> None:
    """Raise the 409 that keeps a verb from beginning, if there is one."""
    verbs.demand(VERBS[verb_name], row, request.caller)
    _demand_host(row)


def carry_out(request, tx, row, verb_name: str, **changes: Any) -> None:
    """Write a verb's wish, together with what else changes of the server."""
    verb = VERBS[verb_name]
    values = changes | {
        "verb": verb_name,
        "request_id": request.id,
        "version": row["version"] + 1,
        "seen_version": None,
        "attempts": 0,
        "cause": None,
    }
    if row["verb"] is not None:
        instance_actions.finish(tx, row, f"Overtaken by {verb.name}.")
    if verb.power is not None:
        values["power"] = verb.power
    if verb.boot:
        values |= {"boot": row["boot"] + 1, "reboot": verb.reboot}
    if verb.disk:
        values["disk"] = row["disk"] + 1
    rows.move(tx, row, row["vm_state"], verb.task, **values)
    instance_actions.begin(
        tx,
        row,
        verb.name,
        request_id=request.id,
        user_id=request.caller.user_id,
        project_id=request.caller.project_id,
        event=verb.event,
    )
    tx.wake_host(row["host"], ("server", row["id"]))


def _verb(name: str):
    def handler(request, tx) -> None:
        begin(request, tx, name)

    handler.__name__ = name
    return handler


def reboot(request, tx) -> None:
    kind = request.body["reboot"]["type"].upper()
    begin(request, tx, "reboot_hard" if kind == "HARD" else "reboot")


def _demand_host(row) -> None:
    if row["host"] is None:
        raise Error(409, "InstanceNotReady", f"Instance {row['id']} is not ready: it is on no host.")


def lock(request, tx) -> None:
    row = rows.find(tx, request)
    asked = request.body["lock"] or {}
    mine = row["project_id"] == request.caller.project_id
    tx.set(
        row,
        locked=True,
        locked_by="owner" if mine else "admin",
        locked_reason=asked.get("locked_reason") if isinstance(asked, dict) else None,
    )
    instance_actions.done(tx, row, "lock", request)


def unlock(request, tx) -> None:
    """Who locked it may unlock it; what an administrator locked, only one whom policy lets override."""
    row = rows.find(tx, request)
    mine = "owner" if row["project_id"] == request.caller.project_id else "admin"
    if row["locked_by"] is not None and row["locked_by"] != mine:
        request.demand(LOCK + "unlock:unlock_override", row)
    tx.set(row, locked=False, locked_by=None, locked_reason=None)
    instance_actions.done(tx, row, "unlock", request)


def reset_state(request, tx) -> None:
    """An operator says what state a server is in. A delete in flight is not taken back: its guest may be
    gone."""
    row = rows.find(tx, request)
    if row["desired"] == "absent":
        raise Error(
            409,
            "InstanceInvalidState",
            f"Cannot 'reset_state' instance {row['id']} while it is in task_state deleting",
        )
    if row["verb"] is not None:
        instance_actions.finish(tx, row, "An administrator reset the state.")
    rows.move(tx, row, request.body["os-resetState"]["state"], None)
    instance_actions.done(tx, row, "resetState", request)


def restore(request, tx) -> None:
    verbs.demand(verbs.RESTORE, rows.find(tx, request), request.caller)


def inject_network_info(request, tx) -> None:
    """Read the server's networking anew, and let its host do the same."""
    row = rows.find(tx, request)
    if row["desired"] == "absent" or row["host"] is None:
        _demand_host(row | {"host": None})
    ports.refresh(tx, row)
    rows.tell_host(tx, row, updated_at=row["updated_at"])
    instance_actions.done(tx, row, "injectNetworkInfo", request)


async def console_output(request, ctx) -> dict:
    """What the guest printed to its serial console, or the last `length` lines of it."""
    row = await ctx.read(rows.target_of, request)
    _demand_host(row)
    length = request.body["os-getConsoleOutput"].get("length")
    lines = None if length is None or int(length) < 0 else int(length)
    try:
        text = await ctx.ask(row["host"], "server", row["id"], "console_log", {"length": lines})
    except LookupError:
        raise Error(
            409, "InstanceNotReady", f"Instance {row['id']} is not ready: its host has no console of it yet."
        ) from None
    return {"output": text}


async def crash_dump(request, ctx) -> None:
    """Send the guest a non-maskable interrupt; its system decides what comes of it."""
    row = await ctx.read(rows.target_of, request)
    verbs.demand(verbs.CRASH_DUMP, row, request.caller)
    _demand_host(row)
    try:
        await ctx.ask(row["host"], "server", row["id"], "nmi", {})
    except LookupError as reason:
        raise Error(
            409, "InstanceInvalidState", f"Instance {row['id']} takes no interrupt now: {reason}"
        ) from None
    await ctx.write(_note_crash_dump, request, row["id"])


def _note_crash_dump(tx, request, server_id: str) -> None:
    row = rows.find(tx, request, server_id)
    instance_actions.done(tx, row, "trigger_crash_dump", request, "compute_trigger_crash_dump")


def _route(action: str, handler, rule: str, body: str, **options) -> Route:
    return Route(
        "POST",
        "/servers/{id}/action",
        handler,
        rule,
        action=action,
        ok=options.pop("ok", 202),
        body=body,
        target=rows.target,
        **options,
    )


def _verb_route(action: str, verb: Verb, rule: str, body: str) -> Route:
    return _route(
        action, _verb(verb.name), "os_compute_api:" + rule, body, event=f"compute.instance.{verb.name}.start"
    )


ROUTES = (
    _verb_route("os-start", VERBS["start"], "servers:start", "servers.start"),
    _verb_route("os-stop", VERBS["stop"], "servers:stop", "servers.stop"),
    _verb_route("pause", VERBS["pause"], "os-pause-server:pause", "pause_server.pause"),
    _verb_route("unpause", VERBS["unpause"], "os-pause-server:unpause", "pause_server.unpause"),
    _verb_route("suspend", VERBS["suspend"], "os-suspend-server:suspend", "suspend_server.suspend"),
    _verb_route("resume", VERBS["resume"], "os-suspend-server:resume", "suspend_server.resume"),
    _route(
        "reboot",
        reboot,
        "os_compute_api:servers:reboot",
        "servers.reboot",
        event="compute.instance.reboot.start",
    ),
    _route("lock", lock, LOCK + "lock", "lock_server.lock", event="compute.instance.lock"),
    _route("unlock", unlock, LOCK + "unlock", "lock_server.unlock", event="compute.instance.unlock"),
    _route(
        "os-resetState",
        reset_state,
        "os_compute_api:os-admin-actions:reset_state",
        "admin_actions.reset_state",
        event="compute.instance.reset_state",
    ),
    _route("restore", restore, "os_compute_api:os-deferred-delete:restore", "deferred_delete.restore"),
    _route(
        "injectNetworkInfo",
        inject_network_info,
        "os_compute_api:os-admin-actions:inject_network_info",
        "admin_actions.inject_network_info",
        event="compute.instance.inject_network_info",
    ),
    _route(
        "os-getConsoleOutput",
        console_output,
        "os_compute_api:os-console-output",
        "console_output.get_console_output",
        ok=200,
    ),
    _route(
        "trigger_crash_dump",
        crash_dump,
        "os_compute_api:servers:trigger_crash_dump",
        "servers.trigger_crash_dump",
        since=(2, 17),
    ),
)
