"""`monostack keys setup|rotate|migrate|status|create_jws_keypair`: the keys of tokens, receipts and
credentials.

They are files in the state directory, which every process of the cloud looks at once a second: everything
here may be done while a cloud runs. Tokens stay valid across rotations as long as their key is kept, so
rotate no more often than a token's life and `identity.max_active_keys` allow. Several machines: rotate on
one, copy the folder to the others before the next rotation."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

from monostack.cli import common

KINDS = ("fernet", "receipt", "credential")


def arguments(parser: argparse.ArgumentParser) -> None:
    common.cloud_arguments(parser)
    words = parser.add_subparsers(
        dest="what", required=True, metavar="setup|rotate|migrate|status|create_jws_keypair"
    )
    setup = words.add_parser("setup", help="make what keys are missing (as the first start does)")
    setup.add_argument("kind", nargs="*", help=f"which keys (default: all): {', '.join(KINDS)}")
    rotate = words.add_parser("rotate", help="promote the staged key, stage a new one, drop the oldest")
    rotate.add_argument("kind", choices=KINDS, help="which keys")
    migrate = words.add_parser("migrate", help="seal anew, with the primary key, what an older one sealed")
    migrate.add_argument("kind", choices=("credential",), help="which keys")
    status = words.add_parser("status", help="which keys there are, and what waits for `migrate`")
    status.add_argument("--json", action="store_true", help="machine-readable")
    pair = words.add_parser("create_jws_keypair", help="make the keys that sign JWS tokens")
    pair.add_argument("--force", action="store_true", help="sign with a new key from now on")


def run(options: argparse.Namespace) -> int:
    from monostack.identity.tokens.keys import Refused

    settings = common.settings(options)
    try:
        return {
            "setup": _setup,
            "rotate": _rotate,
            "migrate": _migrate,
            "status": _status,
            "create_jws_keypair": _pair,
        }[options.what](options, settings)
    except Refused as reason:
        common.fail(str(reason))


def _folder(settings, kind: str) -> Path:
    return settings.state / f"{kind}-keys"


def _setup(options: argparse.Namespace, settings) -> int:
    from monostack.identity.tokens import jws, keys

    unknown = set(options.kind) - set(KINDS)
    if unknown:
        common.fail(f"there are no keys called {', '.join(sorted(unknown))}; there are: {', '.join(KINDS)}")
    for kind in options.kind or KINDS:
        made = keys.setup(_folder(settings, kind))
        print(f"{_folder(settings, kind)}: " + ("made" if made else "there already"))
    if settings.identity.token_provider == "jws" and not options.kind:
        made = jws.setup(settings.state / "jws-keys")
        print(f"{settings.state / 'jws-keys'}: " + ("made" if made else "there already"))
    return 0


def _rotate(options: argparse.Namespace, settings) -> int:
    from monostack.identity.credentials import sealing
    from monostack.identity.tokens import keys

    folder = _folder(settings, options.kind)
    active = settings.identity.max_active_keys
    if options.kind == "credential":
        active = sealing.ACTIVE_KEYS
        waiting = _standing(options, settings)
        if waiting is not None and waiting.older:
            raise keys.Refused(
                f"{waiting.older} stored values are sealed with an older key, which a rotation may drop. "
                "Seal them anew first: monostack keys migrate credential."
            )
    primary = keys.rotate(folder, active)
    print(f"{folder}: key {primary} is the primary one now")
    if options.kind == "credential":
        print("Now seal what is stored with it: monostack keys migrate credential")
    return 0


def _migrate(options: argparse.Namespace, settings) -> int:
    from monostack.cli import status
    from monostack.identity.credentials import sealing

    cloud = status.open_cloud(options)
    try:
        done = sealing.migrate(cloud.engine, _tables(cloud), _credential_keys(settings))
    finally:
        cloud.engine.close()
    print(f"{done} stored values were sealed anew")
    return 0


def _status(options: argparse.Namespace, settings) -> int:
    from monostack.identity.tokens import keys

    facts: dict = {
        kind: [dataclasses.asdict(key) for key in keys.status(_folder(settings, kind))] for kind in KINDS
    }
    waiting = _standing(options, settings)
    if waiting is not None:
        facts["sealed"] = dataclasses.asdict(waiting)
    if options.json:
        print(json.dumps(facts, indent=2))
        return 0
    for kind in KINDS:
        print(f"{_folder(settings, kind)}:" + ("" if facts[kind] else " no keys"))
        for key in facts[kind]:
            since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(key["since"]))
            print(f"  {key['number']:>4}  {key['role']:<9}  {since}  {key['fingerprint']}")
    if waiting is not None:
        words = f"stored values: {waiting.current} sealed with the primary credential key"
        words += f", {waiting.older} with an older one (monostack keys migrate credential)" * bool(
            waiting.older
        )
        words += f", {waiting.lost} that no key opens: their keys are gone" * bool(waiting.lost)
        print(words)
    return 0


def _pair(options: argparse.Namespace, settings) -> int:
    from monostack.identity.tokens import jws

    public = jws.create(settings.state / "jws-keys", options.force)
    print(
        f"{public}: the public half; other machines that shall believe these tokens need it in their folder"
    )
    return 0


def _standing(options: argparse.Namespace, settings):
    """How the stored values stand; None where there is no database or no key yet."""
    from monostack.cli import status
    from monostack.identity.credentials import sealing

    stored = settings.database or (settings.state / "monostack.db").exists()
    if not stored or not _folder(settings, "credential").is_dir():
        return None
    cloud = status.open_cloud(options)
    try:
        return cloud.engine.now(sealing.standing, _tables(cloud), _credential_keys(settings))
    finally:
        cloud.engine.close()


def _credential_keys(settings):
    from monostack.identity.tokens.keys import Keys

    return Keys(_folder(settings, "credential"))


def _tables(cloud) -> tuple:
    identity = cloud.service("identity")
    return identity.tables if identity else ()
