"""`monostack identity bootstrap|doctor|token_flush|mapping_engine`: what an operator does below the API.

The words are those of keystone-manage, options and environment too. All of them work on the database, so on
a cloud that is stopped and on one that runs: what they change is seen by its processes within a second."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from monostack.cli import common

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


def arguments(parser: argparse.ArgumentParser) -> None:
    common.cloud_arguments(parser)
    words = parser.add_subparsers(
        dest="what", required=True, metavar="bootstrap|doctor|token_flush|mapping_engine"
    )
    bootstrap = words.add_parser(
        "bootstrap", help="make sure that there is an administrator who can log in, and what he needs"
    )
    for name, default in DEFAULTS.items():
        said = f" (default: {default})" if default else ""
        bootstrap.add_argument(
            f"--bootstrap-{name.replace('_', '-')}",
            dest=name,
            metavar=ENVIRONMENT + name.upper(),
            help=f"the administrator's {name.replace('_', ' ')}{said}; the environment goes before",
        )
    bootstrap.add_argument(
        "--immutable-roles", action="store_true", help="roles that cannot be changed by accident (default)"
    )
    bootstrap.add_argument("--no-immutable-roles", action="store_true", help="ordinary roles")
    words.add_parser(
        "doctor", help="look for what is wrong, and say what to do; exit status 1 if anything is"
    )
    words.add_parser("token_flush", help="drop what is kept about tokens that have ended by themselves")
    engine = words.add_parser("mapping_engine", help="try a federation mapping on an assertion")
    engine.add_argument(
        "--rules", required=True, metavar="FILE", help="the mapping: JSON, rules or a list of rules"
    )
    engine.add_argument(
        "--input", required=True, metavar="FILE", help="the assertion: lines of `name: value`"
    )
    engine.add_argument("--mapping-schema-version", default="1.0", help="(default: 1.0)")


def run(options: argparse.Namespace) -> int:
    return {
        "bootstrap": _bootstrap,
        "doctor": _doctor,
        "token_flush": _flush,
        "mapping_engine": _mapping,
    }[options.what](options)


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
    return _with_cloud(options, _lay, wanted, not options.no_immutable_roles)


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
    cloud.engine.close()
    cloud.state_lock.close()


def _lay(cloud, wanted: dict, immutable: bool) -> int:
    from monostack.identity import foundation
    from monostack.identity.authentication import naming, passwords, verifying
    from monostack.identity.users import standing

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

    def known(db) -> bool:
        """Whether the password is the administrator's already, and still good."""
        row = naming.own_user(db, wanted["username"], foundation.DEFAULT_DOMAIN)
        if row is None or row["password_hash"] is None or standing.expired(db.cloud, row):
            return False
        return passwords.matches(wanted["password"], row["password_hash"])

    stored = None
    if not cloud.engine.now(known):
        stored = passwords.hashed(wanted["password"], verifying.recipe(cloud.settings.identity))
    done = cloud.engine.write_now(lay, stored)
    print("\n".join(done) if done else "Everything was there already.")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from monostack.identity import doctor

    def look(cloud) -> int:
        tables = cloud.service("identity").tables
        found = cloud.engine.now(doctor.findings, tables, cloud.settings)
        for words in found:
            print(f"- {words}")
        print(f"{len(found)} findings" if found else "Nothing wrong was found.")
        return 1 if found else 0

    return _with_cloud(options, look)


def _flush(options: argparse.Namespace) -> int:
    from monostack.identity.tables import REVOCATIONS
    from monostack.identity.tokens import tokens

    def flush(cloud) -> int:
        before = cloud.engine.now(lambda db: db.count(REVOCATIONS))
        cloud.engine.write_now(lambda tx: tokens.forget_revocations(None, tx))
        print(
            f"{before - cloud.engine.now(lambda db: db.count(REVOCATIONS))} rows about ended tokens dropped"
        )
        return 0

    return _with_cloud(options, flush)


def _mapping(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from monostack.identity.federation import language

    try:
        rules = json.loads(Path(options.rules).read_text())
        lines = Path(options.input).read_text().splitlines()
    except (OSError, ValueError) as reason:
        common.fail(str(reason))
    if isinstance(rules, dict):
        rules = rules.get("mapping", rules).get("rules")
    pairs = (line.partition(":") for line in lines if ":" in line)
    assertion = {name.strip(): value.strip().split(";") for name, _, value in pairs}
    try:
        wrong = language.wrong_pattern(rules)
        mapped = language.apply(rules, assertion, options.mapping_schema_version)
    except language.NotMapped as reason:
        common.fail(f"nobody follows from this assertion: {reason}")
    except (KeyError, TypeError, AttributeError):
        common.fail(f"{options.rules} holds no mapping: a list of rules, each with `remote` and `local`")
    if wrong:
        common.fail(f"{options.rules}: {wrong}")
    print(json.dumps(asdict(mapped), indent=2))
    return 0


def _with_cloud(options: argparse.Namespace, work, *more) -> int:
    from monostack.cli import status

    cloud = status.open_cloud(options)
    if cloud.service("identity") is None:
        common.fail("identity is not among the services of this cloud (--only)")
    try:
        return work(cloud, *more)
    finally:
        cloud.engine.close()
