"""What a domain has of its own: where its users come from, and how to reach them there.

Each option is a row, so that two administrators who change different ones do not undo each other's change. A
sensitive option's value is sealed with the keys of credentials before it is stored. Everybody may read which
rule passwords must follow (security_compliance), since whoever chooses one must know it; it is the whole
cloud's, and told at the default domain only.

Source: identity API reference, "Domain configuration"; what a current identity service answers.
"""

from __future__ import annotations

from typing import Any

import msgspec

from monostack.identity.domains import domains
from monostack.identity.domains.options import KNOWN, SENSITIVE, exists, with_secrets
from monostack.identity.tables import DOMAIN_OPTIONS
from monostack.kit.db import Db, Row, Tx, Values
from monostack.kit.errors import Error
from monostack.kit.request import Request
from monostack.kit.resource import Response, Route

DEFAULT_DOMAIN = "default"
CONFIGURED = "identity.domain.configured"
PASSWORD_RULES = ("password_regex", "password_regex_description")

Options = dict[str, dict[str, Any]]


# what other rooms ask


def in_use(db: Db, domain_id: str, group: str) -> dict[str, Any]:
    """The options of a group as they take effect: defaults, what was set, and the sensitive ones."""
    rows = db.all(DOMAIN_OPTIONS, domain_id=domain_id, group_name=group)
    said = {row["name"]: row["value"] for row in rows if row["sealed_value"] is None}
    secrets = {row["name"]: _unsealed(db, row) for row in rows if row["sealed_value"] is not None}
    return KNOWN[group] | with_secrets(said, secrets)


def driver(db: Db, domain_id: str) -> str:
    """Where the domain's users live besides our own rows: "ldap", or "sql" for nowhere else."""
    row = db.one(DOMAIN_OPTIONS, domain_id=domain_id, group_name="identity", name="driver", lock=False)
    return "ldap" if row is not None and row["value"] == "ldap" else "sql"


def with_directories(db: Db) -> list[str]:
    """The domains whose users live in a directory."""
    rows = db.all(DOMAIN_OPTIONS, order="domain_id", group_name="identity", name="driver")
    return [row["domain_id"] for row in rows if row["value"] == "ldap"]


def is_said(db: Db, domain_id: str) -> bool:
    """Whether the domain has options of its own."""
    return bool(db.count(DOMAIN_OPTIONS, domain_id=domain_id))


def say(tx: Tx, domain: Row, asked: Options) -> None:
    """Say all of a domain's options anew, as they were checked."""
    tx.delete_all(DOMAIN_OPTIONS, domain_id=domain["id"])
    for group, options in asked.items():
        for name, value in options.items():
            kept = _kept(tx, group, name, value)
            tx.insert(DOMAIN_OPTIONS, domain_id=domain["id"], group_name=group, name=name, **kept)
    tx.hook(CONFIGURED, domain["id"])


def checked(asked: Any) -> Options:
    """The options, if domains can have them; raises Error 403."""
    if not asked:
        raise _invalid("No options specified")
    for group, options in asked.items():
        if not options or not isinstance(options, dict):
            words = f"The value of group {group} specified in the config should be a dictionary of options"
            raise _invalid(words)
        for option in options:
            _check_known(group, option)
    return asked


def _unsealed(db: Db, row: Row) -> Any:
    data = db.cloud.identity.credential_keys.unseal(row["sealed_value"])
    return None if data is None else msgspec.json.decode(data)


# handlers


def show(request: Request, db: Db) -> dict:
    group, option = _named(request)
    where: Values = {"domain_id": request.path["domain_id"]} | _conditions(group, option)
    rows = db.all(DOMAIN_OPTIONS, **where)
    shown = _shown(rows)
    if not shown:
        raise _absent(request, group, option)
    return {"config": shown if group is None or option is None else shown[group]}


def put(request: Request, tx: Tx) -> Response:
    """Say all of it anew; what was said before is gone."""
    domain = domains.find(tx, request.path["domain_id"])
    before = is_said(tx, domain["id"])
    say(tx, domain, checked(_asked(request)))
    request.subject = domain["id"]
    return Response(200 if before else 201, {"config": _all(tx, domain["id"])})


def change(request: Request, tx: Tx) -> dict:
    domain = domains.find(tx, request.path["domain_id"])
    group, option = _named(request)
    for group_name, options in _asked_change(request, tx, group, option).items():
        for name, value in options.items():
            where = {"domain_id": domain["id"], "group_name": group_name, "name": name}
            row = tx.one(DOMAIN_OPTIONS, **where)
            kept = _kept(tx, group_name, name, value)
            if row is None:
                tx.insert(DOMAIN_OPTIONS, **where, **kept)
            else:
                tx.set(row, **kept)
    _changed(request, tx, domain)
    return {"config": _all(tx, domain["id"])}


def delete(request: Request, tx: Tx) -> None:
    domain = domains.find(tx, request.path["domain_id"])
    group, option = _named(request)
    gone = tx.delete_all(DOMAIN_OPTIONS, domain_id=domain["id"], **_conditions(group, option))
    if group is not None and not gone:
        raise _absent(request, group, option)
    _changed(request, tx, domain)


def defaults(request: Request, db: Db) -> dict:
    group, option = request.path.get("group"), request.path.get("option")
    if group is None:
        return {"config": KNOWN}
    _check_known(group, option)
    if option is None:
        return {"config": {group: KNOWN[group]}}
    if option in SENSITIVE[group]:
        raise _invalid(f"Reading the default for option {option} in group {group} is not supported")
    return {"config": {option: KNOWN[group][option]}}


def password_rules(request: Request, db: Db) -> dict:
    """What a new password must look like, and how that is said to people."""
    option = request.path.get("option")
    if request.path["domain_id"] != DEFAULT_DOMAIN:
        words = "Reading security compliance information for any domain other than the default domain"
        raise _invalid(f"{words} is not allowed or supported.")
    if option not in (None, *PASSWORD_RULES):
        words = "Reading security compliance values other than password_regex and password_regex_description"
        raise _invalid(f"{words} is not allowed.")
    settings = request.cloud.settings.identity
    rules = {name: getattr(settings, name, None) or None for name in PASSWORD_RULES}
    return {"config": {"security_compliance": rules} if option is None else {option: rules[option]}}


def _changed(request: Request, tx: Tx, domain: Row) -> None:
    request.subject = domain["id"]
    tx.hook(CONFIGURED, domain["id"])


# bodies


def _asked(request: Request) -> Any:
    """What stands under `config`; nothing when there is nothing."""
    asked = request.body.get("config") if isinstance(request.body, dict) else None
    if asked and not isinstance(asked, dict):
        raise Error(400, "ValidationError", "'config' must be an object of groups of options.")
    return asked


def _asked_change(request: Request, tx: Tx, group: str | None, option: str | None) -> Options:
    """The change that the body asks for, in the form {group: {option: value}} whichever door it came by."""
    asked = _asked(request)
    if group is None:
        return checked(asked)
    if option is None:
        asked = checked(asked)
        if len(asked) > 1:
            words = f"Trying to update group {group}, so that, and only that, group must be specified"
            raise _invalid(f"{words} in the config")
        (given,) = asked
        if given != group:
            words = f"request to update group {group}, but config provided contains group {given} instead"
            raise _invalid(words)
    else:
        if not asked:
            raise _invalid("No options specified")
        if len(asked) > 1:
            words = f"Trying to update option {option} in group {group}, so that, and only that, option must"
            raise _invalid(f"{words} be specified in the config")
        (given,) = asked
        _check_known(group, given)
        if given != option:
            words = f"Trying to update option {option} in group {group}, but config provided contains option"
            raise _invalid(f"{words} {given} instead")
        asked = {group: asked}
    if not tx.count(DOMAIN_OPTIONS, domain_id=request.path["domain_id"], **_conditions(group, option)):
        raise _absent(request, group, option)
    return asked


def _kept(tx: Tx, group: str, name: str, value: Any) -> dict[str, Any]:
    """The columns that keep a value."""
    if name not in SENSITIVE[group]:
        return {"value": value, "sealed_value": None}
    data = msgspec.json.encode(value)
    sealed = tx.cloud.identity.credential_keys.seal(data, int(tx.cloud.clock.time()))
    return {"value": None, "sealed_value": sealed}


# paths and answers


def _named(request: Request) -> tuple[str | None, str | None]:
    """Group and option of the path; raises Error 403 for those that no domain can have."""
    group, option = request.path.get("group"), request.path.get("option")
    if group is not None:
        _check_known(group, option)
    return group, option


def _conditions(group: str | None, option: str | None) -> Values:
    named = {"group_name": group, "name": option}
    return {column: value for column, value in named.items() if value is not None}


def _check_known(group: str, option: str | None) -> None:
    if group not in KNOWN:
        raise _invalid(f"Group {group} is not supported for domain specific configurations")
    if option is not None and not exists(group, option):
        words = f"Option {option} in group {group} is not supported for domain specific configurations"
        raise _invalid(words)


def _all(db: Db, domain_id: str) -> Options:
    return _shown(db.all(DOMAIN_OPTIONS, domain_id=domain_id))


def _shown(rows: list[Row]) -> Options:
    """The options in the order of the alphabet, without the sensitive ones."""
    out: Options = {}
    for row in sorted(rows, key=lambda row: (row["group_name"], row["name"])):
        if row["sealed_value"] is None:
            out.setdefault(row["group_name"], {})[row["name"]] = row["value"]
    return out


def _absent(request: Request, group: str | None, option: str | None) -> Error:
    what = "any options"
    if option is not None:
        what = f"option {option} in group {group}"
    elif group is not None:
        what = f"group {group}"
    where = f"domain configuration for domain {request.path['domain_id']}"
    return Error(404, "NotFound", f"Could not find {what} in {where}.")


def _invalid(words: str) -> Error:
    return Error(403, "Forbidden", f"Invalid domain specific configuration: {words}.")


ONE, GROUP = "/domains/{domain_id}/config", "/domains/{domain_id}/config/{group}"
OPTION = GROUP + "/{option}"
PASSWORDS = "/domains/{domain_id}/config/security_compliance"
SHOW, CHANGE, DELETE = (f"identity:{verb}_domain_config" for verb in ("get", "update", "delete"))
DEFAULTS, RULES = "identity:get_domain_config_default", "identity:get_security_compliance_domain_config"

ROUTES = (
    Route("PUT", ONE, put, "identity:create_domain_config", event=CONFIGURED),
    *(Route("GET", path, show, SHOW) for path in (ONE, GROUP, OPTION)),
    *(Route("PATCH", path, change, CHANGE, event=CONFIGURED) for path in (ONE, GROUP, OPTION)),
    *(Route("DELETE", path, delete, DELETE, event=CONFIGURED) for path in (ONE, GROUP, OPTION)),
    *(Route("GET", path, password_rules, RULES) for path in (PASSWORDS, PASSWORDS + "/{option}")),
    Route("GET", "/domains/config/default", defaults, DEFAULTS),
    Route("GET", "/domains/config/{group}/default", defaults, DEFAULTS),
    Route("GET", "/domains/config/{group}/{option}/default", defaults, DEFAULTS),
)
