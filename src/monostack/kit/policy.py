"""Who may do what: a service's rules, the operator's changes to them, and the verdict on one caller.

The defaults of a service are data (`policies.tsv`: rule, check, scopes), because they are a contract that
tools compare; an operator changes single rules in a policy.yaml of the same names and language as everywhere
else. A change of that file is taken over without a restart. A file that cannot be understood never takes
effect in part: at start it stops the program, because the rules that it was meant to tighten would stand
open; later the last good rules go on, and `problem` says why.

Rules are parsed and compiled at first use, so that a start does not pay for the hundreds that nobody asks
about. Scopes are asked for separately (`check_scope`), because "your token is of the wrong kind" and "you may
not" are different answers to the person who has to mend it.

Source: the rule language of OpenStack's policy files (see policy_language); scopes: the services' published
rules.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monostack.kit.policy_language import (
    Check,
    Credentials,
    Judge,
    PolicyError,
    Reference,
    Target,
    never,
    parse,
    walk,
)

__all__ = ["Policy", "PolicyError"]

Signature = tuple[int, int, int]


class Policy:
    """The rules of one service."""

    def __init__(self, service: str, defaults: dict[str, "Default"], overrides: Path | None = None) -> None:
        self.service = service
        self.problem: str | None = None
        self.unknown: tuple[str, ...] = ()
        self._defaults = defaults
        self._file = overrides
        self._signature = self._look()
        self._overrides: dict[str, Any] = {}
        self._rules = _Rules(self._checks({}))
        self._judges = self._rules.judges
        if self._signature is not None:
            self._take_over()

    @classmethod
    def load(cls, service: str, defaults: Path | str, overrides: Path | None = None) -> "Policy":
        """Read a service's policies.tsv and the operator's policy.yaml, if there is one."""
        return cls(service, _read_defaults(Path(defaults)), overrides)

    def allowed(self, rule: str, caller: Credentials, target: Target) -> bool:
        """The verdict. A rule that nobody declared allows nobody."""
        judge = self._judges.get(rule) or self._rules.judge(rule)
        return judge(caller, target)

    def check_scope(self, rule: str, caller: Credentials) -> bool:
        """Whether the caller's token is of a kind that the rule is meant for.

        A token without any scope counts as a project's, as it does everywhere; it then fails the comparison
        with the target's project, unless the rule looks at the user alone.
        """
        scopes = self.scope(rule)
        if not scopes:
            return True
        if caller.get("system_scope") == "all":
            return "system" in scopes
        return ("domain" if caller.get("domain_id") else "project") in scopes

    def scope(self, rule: str) -> tuple[str, ...]:
        """The kinds of token the rule is meant for: system, domain, project; empty means every kind."""
        default = self._defaults.get(rule)
        return default.scopes if default else ()

    def needs_target(self, rule: str) -> bool:
        """Whether the verdict can depend on the target at all. If not, it may be judged once for a list."""
        return self._rules.needs_target(rule)

    def explain(self, rule: str, caller: Credentials, target: Target) -> str:
        """The verdict of every part of the rule, one part a line."""
        return "\n".join(self._rules.explain(rule, caller, target))

    def list(self) -> list[tuple[str, str, tuple[str, ...], str]]:
        """Every rule: name, check, scopes, and whether the check is a default or an override."""
        rows = [
            (name, str(self._overrides.get(name, default.check)), default.scopes, self._source(name))
            for name, default in self._defaults.items()
        ]
        added = [
            (name, str(check), (), "override")
            for name, check in self._overrides.items()
            if name not in self._defaults
        ]
        return rows + added

    def reload_if_changed(self) -> bool:
        """Take over a changed policy.yaml. True if other rules apply now."""
        signature = self._look()
        if signature == self._signature:
            return False
        self._signature = signature
        try:
            self._take_over()
        except PolicyError as reason:
            self.problem = f"{reason} The rules from before that change still apply."
            return False
        return True

    def _source(self, name: str) -> str:
        return "override" if name in self._overrides else "default"

    def _look(self) -> Signature | None:
        try:
            found = self._file.stat() if self._file else None
        except FileNotFoundError:
            return None
        except OSError:
            return (0, 0, 0)
        return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None

    def _take_over(self) -> None:
        overrides = {}
        if self._file is not None and self._signature is not None:
            overrides = _read_overrides(self._file)
        rules = _Rules(self._checks(overrides))
        try:
            for name in overrides:
                rules.verify(name)
        except PolicyError as reason:
            raise PolicyError(f"{self._file}: {reason}") from reason
        helpers = {name for override in overrides for name in rules.references(override)}
        self.unknown = tuple(name for name in overrides if name not in self._defaults and name not in helpers)
        self.problem = None
        self._overrides, self._rules, self._judges = overrides, rules, rules.judges

    def _checks(self, overrides: dict[str, Any]) -> dict[str, Any]:
        return {name: default.check for name, default in self._defaults.items()} | overrides


@dataclass(frozen=True)
class Default:
    """One line of policies.tsv."""

    check: str
    scopes: tuple[str, ...] = field(default=())


class _Rules:
    """One consistent set of rules. A reload makes another one, so a request never sees half of a change."""

    def __init__(self, texts: dict[str, Any]) -> None:
        self._wants_target: dict[str, bool] = {}
        self.judges: dict[str, Judge] = {}
        self._texts = texts
        self._parsed: dict[str, Check] = {}

    def check(self, name: str) -> Check | None:
        parsed = self._parsed.get(name)
        if parsed is None and name in self._texts:
            parsed = self._parsed[name] = parse(self._texts[name])
        return parsed

    def judge(self, name: str) -> Judge:
        judge = self.judges.get(name)
        if judge is not None:
            return judge
        check = self.check(name)
        if check is None:
            return never
        judge = self.judges[name] = check.judge(self)
        return judge

    def references(self, name: str) -> set[str]:
        check = self.check(name)
        return {node.name for node in walk(check) if isinstance(node, Reference)} if check else set()

    def needs_target(self, name: str) -> bool:
        known = self._wants_target.get(name)
        if known is None:
            known = self._wants_target[name] = self._find_target(name)
        return known

    def _find_target(self, name: str) -> bool:
        check = self.check(name)
        if check is None:
            return False
        itself = any(node.reads_target() for node in walk(check))
        return itself or any(map(self.needs_target, self.references(name)))

    def verify(self, name: str, above: tuple[str, ...] = ()) -> None:
        """Refuse what cannot be parsed, what refers to nothing, and what refers to itself."""
        if name in above:
            circle = " -> ".join((*above[above.index(name) :], name))
            raise PolicyError(f"The rules refer to each other in a circle: {circle}.")
        if name not in self._texts:
            raise PolicyError(f"Rule '{above[-1]}' refers to rule '{name}', which does not exist.")
        try:
            references = self.references(name)
        except PolicyError as reason:
            raise PolicyError(f"Rule '{name}': {reason}") from reason
        for reference in sorted(references):
            self.verify(reference, (*above, name))

    def explain(self, name: str, caller: Credentials, target: Target) -> list[str]:
        check = self.check(name)
        if check is None:
            return [f"{name}: denied (there is no such rule)"]
        verdict = _verdict(self.judge(name)(caller, target))
        return [f"{name}: {verdict}", *self._tree(check, caller, target, "  ")]

    def _tree(self, check: Check, caller: Credentials, target: Target, indent: str) -> list[str]:
        verdict = _verdict(check.judge(self)(caller, target))
        because = check.because(caller, target)
        lines = [f"{indent}{check.label or check}: {verdict}" + (f" ({because})" if because else "")]
        parts = check.parts
        if isinstance(check, Reference):
            referred = self.check(check.name)
            parts = (referred,) if referred else ()
        for part in parts:
            lines.extend(self._tree(part, caller, target, indent + "  "))
        return lines


def _verdict(allowed: bool) -> str:
    return "allowed" if allowed else "denied"


def _read_defaults(path: Path) -> dict[str, Default]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return {rule: Default(check, tuple(filter(None, scopes.split(",")))) for rule, check, scopes in rows}


def _read_overrides(path: Path) -> dict[str, Any]:
    import yaml  # only an operator's file needs it, and it costs 20 ms of every start

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as reason:
        raise PolicyError(f"{path} cannot be read: {' '.join(str(reason).split())}.") from reason
    if content is None:
        return {}
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise PolicyError(f'{path} is not a list of rules; each line looks like "RULE": "CHECK".')
    return dict(content)
