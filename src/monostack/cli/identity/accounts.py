"""`monostack identity bootstrap|project_setup|user_setup|reset_last_active`: those who can log in.

Each makes what is missing and leaves what is there, so it may be said again."""

from __future__ import annotations

import argparse
import os
import re

from monostack.cli import common
from monostack.cli.identity.opened import with_cloud
from monostack.cli.identity.word import Word

DEFAULTS = {
    "username": "admin",
    "password": None,
    "project_name": "admin",
    "role_name": "admin",
    "service_name": "keystone",
    "admin_url": None,
    "internal_url": None,
    "public_url": None,
    "region_id": None,
}
ENVIRONMENT = "OS_BOOTSTRAP_"


ID = re.compile(r"[0-9a-f]{32}")


def _bootstrap_arguments(parser: argparse.ArgumentParser) -> None:
    for name, default in DEFAULTS.items():
        said = f" (default: {default})" if default else ""
        parser.add_argument(
            f"--bootstrap-{name.replace('_', '-')}",
            dest=name,
            metavar=ENVIRONMENT + name.upper(),
            help=f"the administrator's {name.replace('_', ' ')}{said}; the environment goes before",
        )
    parser.add_argument(
        "--immutable-roles", action="store_true", help="roles that cannot be changed by accident (default)"
    )
    parser.add_argument("--no-immutable-roles", action="store_true", help="ordinary roles")


def _bootstrap(options: argparse.Namespace) -> int:
    wanted = {
        name: os.environ.get(ENVIRONMENT + name.upper()) or getattr(options, name) or default
        for name, default in DEFAULTS.items()
    }
    if not wanted["password"]:
        common.fail("say --bootstrap-password, or set OS_BOOTSTRAP_PASSWORD")
    settings = common.settings(options)
    if not settings.database and not (settings.state / "monostack.db").exists():
        _first_start(settings, wanted)
    return with_cloud(options, _lay, wanted, not options.no_immutable_roles)


def _first_start(settings, wanted: dict) -> None:
    """The database, its tables, what every new cloud has, and the files that clients read."""
    from monostack.cli import credentials
    from monostack.cloud import Cloud, Held

    if wanted["username"] == DEFAULTS["username"]:
        settings.identity.admin_password = wanted["password"]
    cloud = Cloud(settings)
    try:
        cloud.prepare()
    except Held as reason:
        common.fail(str(reason))
    credentials.write(cloud)
    cloud.let_go()


def _lay(cloud, wanted: dict, immutable: bool) -> int:
    from monostack.identity import foundation

    def lay(tx, stored: str | None) -> list[str]:
        made = foundation.Foundation(tx)
        made.domain()
        project_id = made.project(wanted["project_name"], "Bootstrap project for initializing the cloud.")
        user_id = made.user(wanted["username"], stored)
        role_id = made.roles(wanted["role_name"], immutable=immutable)[wanted["role_name"]]
        made.administer(user_id, project_id, role_id)
        if wanted["region_id"]:
            made.region(wanted["region_id"])
        urls = {kind: wanted[f"{kind}_url"] for kind in foundation.INTERFACES if wanted[f"{kind}_url"]}
        if urls:
            service_id = made.service(wanted["service_name"], "identity")
            for interface, url in urls.items():
                made.endpoint(service_id, interface, wanted["region_id"] or tx.cloud.settings.region, url)
        return made.done

    done = cloud.engine.write_now(lay, _hash(cloud, wanted["username"], wanted["password"]))
    return _told(done)


def _told(done: list[str]) -> int:
    print("\n".join(done) if done else "Everything was there already.")
    return 0


def _hash(cloud, name: str, password: str) -> str | None:
    """The hash of a new password; None when it is the user's already, and still good."""
    from monostack.identity import foundation
    from monostack.identity.authentication import naming, passwords, verifying
    from monostack.identity.users import standing

    def known(db) -> bool:
        row = naming.own_user(db, name, foundation.DEFAULT_DOMAIN)
        if row is None or row["password_hash"] is None or standing.expired(db.cloud, row):
            return False
        return passwords.matches(password, row["password_hash"])

    if cloud.engine.now(known):
        return None
    return passwords.hashed(password, verifying.recipe(cloud.settings.identity))


# a project or a user with an id that is the same in several clouds


def _project_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--project-name", required=True, metavar="NAME", help="a project of the domain Default"
    )
    parser.add_argument(
        "--project-id", metavar="ID", help="its id: 32 hexadecimal digits (default: a new one)"
    )


def _project(options: argparse.Namespace) -> int:
    return with_cloud(options, _lay_project, options.project_name, _id(options, "project_id"))


def _lay_project(cloud, name: str, id: str | None) -> int:  # noqa: A002 - the field's word
    from monostack.identity import foundation
    from monostack.identity.tables import PROJECTS

    def lay(tx) -> list[str]:
        made = foundation.Foundation(tx)
        _check(tx, PROJECTS, "--project-id", name, id, is_domain=False)
        found = made.project(name, id=id)
        return [*made.done, f"the project {name} has the id {found}"]

    return _told(cloud.engine.write_now(lay))


def _user_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--username", required=True, metavar="NAME", help="a user of the domain Default")
    parser.add_argument("--user-password-plain", required=True, metavar="PASSWORD", help="his password")
    parser.add_argument("--user-id", metavar="ID", help="his id: 32 hexadecimal digits (default: a new one)")


def _user(options: argparse.Namespace) -> int:
    who = options.username, options.user_password_plain
    return with_cloud(options, _lay_user, *who, _id(options, "user_id"))


def _lay_user(cloud, name: str, password: str, id: str | None) -> int:  # noqa: A002
    from monostack.identity import foundation
    from monostack.identity.tables import USERS

    def lay(tx, stored: str | None) -> list[str]:
        made = foundation.Foundation(tx)
        _check(tx, USERS, "--user-id", name, id, origin="")
        found = made.user(name, stored, id=id)
        return [*made.done, f"the user {name} has the id {found}"]

    return _told(cloud.engine.write_now(lay, _hash(cloud, name, password)))


def _id(options: argparse.Namespace, name: str) -> str | None:
    given = getattr(options, name)
    if given is not None and not ID.fullmatch(given):
        common.fail(f"--{name.replace('_', '-')} {given}: an id has 32 hexadecimal digits (0-9, a-f)")
    return given


def _check(tx, table, option: str, name: str, id: str | None, **where) -> None:  # noqa: A002
    """Raises Error where the id is somebody else's, or the name has another one."""
    from monostack.identity.foundation import DEFAULT_DOMAIN
    from monostack.kit.errors import Error

    if id is None:
        return
    named = tx.one(table, name=name, domain_id=DEFAULT_DOMAIN, **where)
    if named is not None and named["id"] != id:
        words = f"{option} {id}: {name} is there already, and has the id {named['id']}"
        raise Error(409, "Conflict", words)
    holder = tx.one(table, id=id)
    if named is None and holder is not None:
        raise Error(409, "Conflict", f"{option} {id}: {holder['name']} has it already")


def _active(options: argparse.Namespace) -> int:
    from monostack.identity.users import standing

    def count(cloud) -> int:
        users = cloud.engine.write_now(standing.never_seen_are_active_today)
        print(f"{users} users who never logged in count as active from today")
        return 0

    return with_cloud(options, count)


WORDS = (
    Word(
        "bootstrap",
        "make sure that there is an administrator who can log in, and what he needs",
        _bootstrap,
        _bootstrap_arguments,
    ),
    Word(
        "project_setup",
        "make sure that there is a project, with an id that is chosen",
        _project,
        _project_arguments,
    ),
    Word("user_setup", "make sure that there is a user, with an id that is chosen", _user, _user_arguments),
    Word(
        "reset_last_active",
        "count the days of disable_user_account_days_inactive from today for users who never logged in",
        _active,
    ),
)
