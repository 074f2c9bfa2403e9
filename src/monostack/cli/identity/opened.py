"""The cloud that a word works on."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from monostack.cli import common


def with_cloud(options: argparse.Namespace, work: Callable, *more: Any) -> int:
    """What `work(cloud, *more)` gives, with the cloud's database open. An Error is told in its words."""
    from monostack.cli import status
    from monostack.kit.errors import Error

    cloud = status.open_cloud(options)
    if cloud.service("identity") is None:
        common.fail("identity is not among the services of this cloud (--only)")
    try:
        return work(cloud, *more)
    except Error as reason:
        common.fail(reason.message)
    finally:
        cloud.engine.close()


def with_secrets(options: argparse.Namespace, work: Callable, *more: Any) -> int:
    """The same for what seals or opens something. Keys are never made here: others than the cloud's own would
    open nothing, and nobody else would open what they seal."""

    def work_with_keys(cloud) -> int:
        from monostack.identity.bootstrap import Runtime

        for name in ("credential-keys", f"{cloud.settings.identity.token_provider}-keys"):
            if not (cloud.state / name).is_dir():
                common.fail(f"{cloud.state / name} is not there: --state must be the cloud's own directory")
        try:
            cloud.identity = Runtime(cloud)
        except ValueError as reason:  # a setting that no cloud starts with
            common.fail(str(reason))
        return work(cloud, *more)

    return with_cloud(options, work_with_keys)


def domain(db, name: str):
    """The domain that --domain-name says; raises Error."""
    from monostack.identity.domains import domains
    from monostack.kit.errors import Error

    row = domains.named(db, name)
    if row is None:
        raise Error(404, "NotFound", f"--domain-name {name}: there is no such domain (openstack domain list)")
    return row
