"""`monostack policy list|check`: the rules in force, and why one allows or refuses."""

from __future__ import annotations

import argparse

from monostack.cli import common


def arguments(parser: argparse.ArgumentParser) -> None:
    common.cloud_arguments(parser)
    words = parser.add_subparsers(dest="what", required=True, metavar="list|check")
    listing = words.add_parser("list", help="all rules, with their source")
    listing.add_argument("service", nargs="?", help="only this service")
    check = words.add_parser("check", help="explain what a rule decides for a caller")
    check.add_argument("rule", help="such as os_compute_api:servers:create")
    check.add_argument(
        "--roles", default="member", help="the caller's roles, comma-separated (default: member)"
    )
    check.add_argument("--project", default="P", help="the caller's project (default: P)")
    check.add_argument("--user", default="U", help="the caller's user (default: U)")
    check.add_argument("--domain", help="the caller's domain scope")
    check.add_argument("--system", action="store_true", help="the caller has the system scope")
    check.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an attribute of the thing (default: project_id=P, user_id=U: his own)",
    )


def run(options: argparse.Namespace) -> int:
    from monostack.cloud import load_services, package_folder
    from monostack.kit.policy import Policy

    settings = common.settings(options)
    policies = {
        service.name: Policy.load(
            service.name, package_folder(service) / "policies.tsv", settings.state / "policy.yaml"
        )
        for service in load_services(settings.only)
    }
    if options.what == "list":
        return _list(policies, options.service)
    return _check(policies, options)


def _list(policies: dict, service: str | None) -> int:
    if service is not None and service not in policies:
        common.fail(f"there is no service {service}; there are: {', '.join(policies)}")
    for name, policy in policies.items():
        if service not in (None, name):
            continue
        for rule, check, scopes, source in policy.list():
            print(f"{name}\t{rule}\t{check}\t{','.join(scopes) or '-'}\t{source}")
        if policy.problem:
            print(f"{name}: policy.yaml is not in force: {policy.problem}")
    return 0


def _check(policies: dict, options: argparse.Namespace) -> int:
    from monostack.kit.auth import Caller

    found = [
        policy for policy in policies.values() if any(rule == options.rule for rule, *_ in policy.list())
    ]
    if not found:
        common.fail(f"no service has the rule {options.rule}. `monostack policy list` shows them all.")
    scoped = None if options.system or options.domain else options.project
    caller = Caller(
        user_id=options.user,
        project_id=scoped,
        domain_id=options.domain,
        system=options.system,
        roles=frozenset(options.roles.split(",")),
    )
    target = {"project_id": options.project, "tenant_id": options.project, "user_id": options.user}
    for pair in options.target:
        key, _, value = pair.partition("=")
        target[key] = value
    allowed = False
    for policy in found:
        print(policy.explain(options.rule, caller.credentials, target))
        if not policy.check_scope(options.rule, caller.credentials):
            print(f"refused: the rule wants a token scoped to {' or '.join(policy.scope(options.rule))}")
        else:
            allowed = policy.allowed(options.rule, caller.credentials, target)
            print("allowed" if allowed else "refused")
    return 0 if allowed else 1
