"""The language of policy rules: what operators have written into policy.yaml for a decade, read and compiled.

A rule is a sentence about a caller and a target: `role:member and project_id:%(project_id)s`. The sentence is
parsed once into a small tree; the tree is compiled once into nested Python functions, because a listing
judges a rule for every row and walking a tree (or formatting strings) each time costs a hundred times more.
The tree is kept: it can explain, node by node, why somebody was refused, which no compiled function can.

The words:

    @  !  (empty)            everybody, nobody, everybody
    role:NAME                the caller has this role; case does not matter
    rule:NAME                another rule, by name
    LEFT:RIGHT               equality of texts. LEFT is a credential of the caller (`project_id`,
                             `token.domain.id`) or a literal (`'public'`, `True`, `None`); RIGHT is plain
                             text, in which `%(key)s` stands for a value of the target. A credential that is
                             a list matches with any of its items.
    field:KIND:NAME=VALUE    the target's own field has this value; `=~PATTERN` asks a regular expression
    and or not ( )           `not` binds closest, then `and`, then `or`

The older form, a list of lists, is an `or` of `and`s. A dotted key goes into nested mappings, but a flat key
of exactly that spelling wins. A key that the target lacks makes a comparison false. So does a target value of
None against a credential: what belongs to nobody must not belong to everybody whose token also has no such
scope. (`None:%(key)s` remains the way to ask whether a value is None.) `tenant_id` is the old name of
`project_id` on both sides.

`http:` and `https:` checks are refused: a permission that waits for somebody else's web server can neither be
judged inside a transaction nor explained afterwards.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Credentials = Mapping[str, Any]
Target = Mapping[str, Any]
Judge = Callable[[Credentials, Target], bool]

MISSING = object()
PLACEHOLDER = re.compile(r"%\(([^)]+)\)s")
FIELD = re.compile(r"([^:]+):([^=]+)=(.*)", re.DOTALL)


class PolicyError(ValueError):
    """A rule or a file of rules cannot be understood; the text says why, and what would be."""


class Rules(Protocol):
    """Where a `rule:` check finds the other rules."""

    def check(self, name: str) -> "Check | None": ...

    def judge(self, name: str) -> Judge: ...


class Check:
    """A node of a parsed rule."""

    label = ""
    parts: tuple["Check", ...] = ()

    def judge(self, rules: Rules) -> Judge:
        """The compiled form of this node."""
        raise NotImplementedError

    def reads_target(self) -> bool:
        """Whether this very node, its parts aside, looks at the target."""
        return False

    def because(self, caller: Credentials, target: Target) -> str:
        """What was compared, in words, for an explanation; empty where the verdict speaks for itself."""
        return ""


def never(caller: Credentials, target: Target) -> bool:
    return False


def always(caller: Credentials, target: Target) -> bool:
    return True


@dataclass(frozen=True)
class Everybody(Check):
    def __str__(self) -> str:
        return "@"

    def judge(self, rules: Rules) -> Judge:
        return always


@dataclass(frozen=True)
class Nobody(Check):
    def __str__(self) -> str:
        return "!"

    def judge(self, rules: Rules) -> Judge:
        return never


@dataclass(frozen=True)
class Role(Check):
    name: str

    def __str__(self) -> str:
        return f"role:{self.name}"

    def judge(self, rules: Rules) -> Judge:
        if self.reads_target():
            text = template(self.name)

            def has_named_role(caller: Credentials, target: Target) -> bool:
                name = text(target)
                return name is not None and name.lower() in caller["roles"]

            return has_named_role
        name = self.name.lower()

        def has_role(caller: Credentials, target: Target) -> bool:
            return name in caller["roles"]

        return has_role

    def reads_target(self) -> bool:
        return PLACEHOLDER.search(self.name) is not None

    def because(self, caller: Credentials, target: Target) -> str:
        return f"the caller's roles: {', '.join(sorted(caller['roles'])) or 'none'}"


@dataclass(frozen=True)
class Reference(Check):
    name: str

    def __str__(self) -> str:
        return f"rule:{self.name}"

    def judge(self, rules: Rules) -> Judge:
        return rules.judge(self.name)


@dataclass(frozen=True)
class Literal(Check):
    """`'public':%(visibility)s`: a literal against the target."""

    left: str
    value: str
    right: str

    def __str__(self) -> str:
        return f"{self.left}:{self.right}"

    def judge(self, rules: Rules) -> Judge:
        text, value = template(self.right), self.value

        def is_literal(caller: Credentials, target: Target) -> bool:
            return text(target) == value

        return is_literal

    def reads_target(self) -> bool:
        return PLACEHOLDER.search(self.right) is not None

    def because(self, caller: Credentials, target: Target) -> str:
        return _seen_in_target(self.right, target)


@dataclass(frozen=True)
class Credential(Check):
    """`project_id:%(project_id)s` or `system_scope:all`: something the caller holds."""

    name: str
    right: str

    def __str__(self) -> str:
        return f"{self.name}:{self.right}"

    def judge(self, rules: Rules) -> Judge:
        if not self.reads_target():
            return self._against_text()
        whole = PLACEHOLDER.fullmatch(self.right)
        if whole and "." not in self.name + whole[1] and "tenant_id" not in self.name + whole[1]:
            return self._against_flat_key(whole[1])
        return self._against_template()

    def _against_text(self) -> Judge:
        name, right = credential_key(self.name), self.right.replace("%%", "%")
        if "." not in name:
            return lambda caller, target: matches(caller.get(name), right)
        held = lookup(name)

        def holds_text(caller: Credentials, target: Target) -> bool:
            value = held(caller)
            return matches(None if value is MISSING else value, right)

        return holds_text

    def _against_flat_key(self, key: str) -> Judge:
        name = self.name

        def holds_value(caller: Credentials, target: Target) -> bool:
            held = caller.get(name)
            wanted = target.get(key)
            if held is None or wanted is None:
                return False
            return matches(held, str(wanted))

        return holds_value

    def _against_template(self) -> Judge:
        held, text = lookup(credential_key(self.name)), template(self.right, none_is_missing=True)

        def holds_template(caller: Credentials, target: Target) -> bool:
            value = held(caller)
            if value is None or value is MISSING:
                return False
            wanted = text(target)
            return wanted is not None and matches(value, wanted)

        return holds_template

    def reads_target(self) -> bool:
        return PLACEHOLDER.search(self.right) is not None

    def because(self, caller: Credentials, target: Target) -> str:
        value = lookup(credential_key(self.name))(caller)
        held = "the caller has none" if value is MISSING else f"the caller's is {_plain(value)}"
        return "; ".join(filter(None, (held, _seen_in_target(self.right, target))))


@dataclass(frozen=True)
class TargetField(Check):
    """`field:networks:shared=True`: a field of the target itself."""

    kind: str
    name: str
    value: str

    def __str__(self) -> str:
        return f"field:{self.kind}:{self.name}={self.value}"

    def judge(self, rules: Rules) -> Judge:
        name, value = self.name, self.value
        if value.startswith("~"):
            pattern = re.compile(value[1:])

            def field_fits(caller: Credentials, target: Target) -> bool:
                found = target.get(name)
                return found is not None and pattern.match(str(found)) is not None

            return field_fits
        boolean = {"true": True, "false": False}.get(value.lower())

        def field_is(caller: Credentials, target: Target) -> bool:
            found = target.get(name)
            if found is None:
                return False
            return found is boolean if isinstance(found, bool) else str(found) == value

        return field_is

    def reads_target(self) -> bool:
        return True

    def because(self, caller: Credentials, target: Target) -> str:
        return f"the target's {self.name} is {_plain(target.get(self.name))}"


@dataclass(frozen=True)
class Not(Check):
    label = "not"
    parts: tuple[Check, ...]

    def __str__(self) -> str:
        return f"not {_in_brackets(self.parts[0])}"

    def judge(self, rules: Rules) -> Judge:
        inner = self.parts[0].judge(rules)

        def is_not(caller: Credentials, target: Target) -> bool:
            return not inner(caller, target)

        return is_not


@dataclass(frozen=True)
class AllOf(Check):
    label = "all of"
    parts: tuple[Check, ...]

    def __str__(self) -> str:
        return " and ".join(map(_in_brackets, self.parts))

    def judge(self, rules: Rules) -> Judge:
        judges = tuple(part.judge(rules) for part in self.parts)
        if len(judges) == 2:
            first, second = judges
            return lambda caller, target: first(caller, target) and second(caller, target)

        def all_hold(caller: Credentials, target: Target) -> bool:
            for holds in judges:  # noqa: SIM110 - all() with a generator costs 0.2 us a verdict
                if not holds(caller, target):
                    return False
            return True

        return all_hold


@dataclass(frozen=True)
class AnyOf(Check):
    label = "any of"
    parts: tuple[Check, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))

    def judge(self, rules: Rules) -> Judge:
        judges = tuple(part.judge(rules) for part in self.parts)
        if len(judges) == 2:
            first, second = judges
            return lambda caller, target: first(caller, target) or second(caller, target)

        def any_holds(caller: Credentials, target: Target) -> bool:
            for holds in judges:  # noqa: SIM110 - as above
                if holds(caller, target):
                    return True
            return False

        return any_holds


def parse(rule: object) -> Check:
    """The tree of a rule, written as a text or in the old form of a list of lists."""
    if isinstance(rule, str):
        return _Sentence(rule).parse()
    if isinstance(rule, list):
        return _parse_list(rule)
    raise PolicyError(f"A rule is a text such as 'role:admin', not {rule!r}. To allow everybody write '@'.")


def walk(check: Check) -> Iterator[Check]:
    """The node and everything below it, without following references."""
    yield check
    for part in check.parts:
        yield from walk(part)


def lookup(key: str) -> Callable[[Mapping[str, Any]], Any]:
    """A function that finds the value of a key, perhaps dotted, in a mapping, or MISSING."""
    if "." in key:
        steps = tuple(key.split("."))

        def find_dotted(values: Mapping[str, Any]) -> Any:
            found = values.get(key, MISSING)
            return _descend(values, steps) if found is MISSING else found

        return find_dotted
    return lambda values: values.get(key, MISSING)


def credential_key(name: str) -> str:
    return "project_id" if name == "tenant_id" else name


def template(text: str, none_is_missing: bool = False) -> Callable[[Target], str | None]:
    """A function that fills a text's placeholders from the target; None when the target lacks one of them."""
    pieces = PLACEHOLDER.split(text)
    literals = [piece.replace("%%", "%") for piece in pieces[0::2]]
    finders = [_target_lookup(key) for key in pieces[1::2]]
    if not finders:
        return lambda target: literals[0]

    if literals == ["", ""]:
        find_only = finders[0]

        def show(target: Target) -> str | None:
            value = find_only(target)
            return None if value is MISSING or (value is None and none_is_missing) else str(value)

        return show

    def fill(target: Target) -> str | None:
        filled = literals[0]
        for find, literal in zip(finders, literals[1:], strict=True):
            value = find(target)
            if value is MISSING or (value is None and none_is_missing):
                return None
            filled += str(value) + literal
        return filled

    return fill


def matches(held: Any, wanted: str) -> bool:
    """Whether what the caller holds is, or is a list that has, this text."""
    if isinstance(held, (list, tuple, set, frozenset)):
        return any(str(item) == wanted for item in held)
    return str(held) == wanted


def _target_lookup(key: str) -> Callable[[Target], Any]:
    find = lookup(key)
    if re.fullmatch(r"(.*[.:])?tenant_id", key) is None:
        return find
    find_today = lookup(key.removesuffix("tenant_id") + "project_id")

    def find_either(target: Target) -> Any:
        found = find(target)
        return find_today(target) if found is MISSING else found

    return find_either


def _descend(values: Any, steps: tuple[str, ...]) -> Any:
    """Go down by one key a step; a list on the way means any of its items, gathered."""
    for position, step in enumerate(steps):
        if isinstance(values, dict):
            values = values.get(step, MISSING)
            if values is MISSING:
                return MISSING
        elif isinstance(values, (list, tuple)):
            found = [_descend(item, steps[position:]) for item in values]
            return [item for item in found if item is not MISSING]
        elif isinstance(values, Mapping) and step in values:
            values = values[step]
        else:
            return MISSING
    return values


def _parse_list(rule: list) -> Check:
    if not rule:
        return Everybody()
    alternatives = []
    for alternative in rule:
        words = [alternative] if isinstance(alternative, str) else alternative
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise PolicyError(f"A list rule holds checks or lists of checks, not {alternative!r}.")
        alternatives.append(_join(AllOf, [parse_check(word) for word in words]))
    return _join(AnyOf, alternatives)


def parse_check(word: str) -> Check:
    """One check, without `and`, `or`, `not` or brackets."""
    if word == "@":
        return Everybody()
    if word == "!":
        return Nobody()
    left, colon, right = word.partition(":")
    if not colon or not left or "(" in left:
        raise PolicyError(
            f"'{word}' is not a check; a check looks like role:admin, rule:NAME or project_id:%(project_id)s."
        )
    if left in ("http", "https"):
        raise PolicyError(
            f"'{word}': checks that ask a web server are not supported; "
            "say the same with role:, rule: or a comparison."
        )
    if left == "role":
        return Role(right)
    if left == "rule":
        return Reference(right)
    if left == "field":
        return _parse_field(word, right)
    _refuse_odd_percent(word, right)
    try:
        value = ast.literal_eval(left)
    except (ValueError, SyntaxError):
        return Credential(left, right)
    return Literal(left, str(value), right)


def _parse_field(word: str, right: str) -> Check:
    found = FIELD.fullmatch(right)
    if found is None:
        raise PolicyError(f"'{word}' is not a field check; one looks like field:networks:shared=True.")
    kind, name, value = found.groups()
    if value.startswith("~"):
        try:
            re.compile(value[1:])
        except re.error as reason:
            message = f"'{word}': the pattern after ~ is not a regular expression: {reason}."
            raise PolicyError(message) from reason
    return TargetField(kind, name, value)


def _refuse_odd_percent(word: str, right: str) -> None:
    rest = PLACEHOLDER.sub("", right).replace("%%", "")
    if "%" in rest:
        raise PolicyError(f"'{word}': a value of the target is written %(key)s, a percent sign itself %%.")


def _join(node: type, parts: list[Check]) -> Check:
    if not parts:
        return Everybody()
    if len(parts) == 1:
        return parts[0]
    flat: list[Check] = []
    for part in parts:
        flat.extend(part.parts if type(part) is node else (part,))
    return node(tuple(flat))


class _Sentence:
    """A recursive descent over the words of one rule."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = list(_words(text))
        self.position = 0

    def parse(self) -> Check:
        if not self.words:
            return Everybody()
        check = self._alternatives()
        if self.position < len(self.words):
            raise PolicyError(
                f"'{self.text}' cannot be read from '{self.words[self.position]}' on; "
                "checks are joined by 'and' or 'or'."
            )
        return check

    def _alternatives(self) -> Check:
        parts = [self._conditions()]
        while self._take("or"):
            parts.append(self._conditions())
        return _join(AnyOf, parts)

    def _conditions(self) -> Check:
        parts = [self._condition()]
        while self._take("and"):
            parts.append(self._condition())
        return _join(AllOf, parts)

    def _condition(self) -> Check:
        if self._take("not"):
            return Not((self._condition(),))
        if self._take("("):
            inner = self._alternatives()
            if not self._take(")"):
                raise PolicyError(f"'{self.text}' has an opening bracket that is never closed.")
            return inner
        if self.position == len(self.words):
            raise PolicyError(f"'{self.text}' ends where a check is expected.")
        word = self.words[self.position]
        if word in (")", "and", "or"):
            raise PolicyError(f"'{self.text}' has '{word}' where a check is expected.")
        self.position += 1
        return parse_check(word)

    def _take(self, word: str) -> bool:
        if self.position < len(self.words) and self.words[self.position] == word:
            self.position += 1
            return True
        return False


def _words(text: str) -> Iterator[str]:
    """Words are separated by blanks; brackets may cling to a word, the one inside %(key)s belongs to it."""
    for chunk in text.split():
        word = chunk.lstrip("(")
        yield from "(" * (len(chunk) - len(word))
        bare = word.rstrip(")")
        if bare:
            yield bare.lower() if bare.lower() in ("and", "or", "not") else _unquoted(bare)
        yield from ")" * (len(word) - len(bare))


def _unquoted(word: str) -> str:
    """Some write every check in quotes: "role:admin"."""
    if len(word) > 2 and word[0] == word[-1] and word[0] in "\"'":
        return word[1:-1]
    return word


def _in_brackets(check: Check) -> str:
    return f"({check})" if isinstance(check, (AllOf, AnyOf)) else str(check)


def _seen_in_target(text: str, target: Target) -> str:
    seen = []
    for key in PLACEHOLDER.findall(text):
        value = _target_lookup(key)(target)
        seen.append(
            f"the target has no {key}" if value is MISSING else f"the target's {key} is {_plain(value)}"
        )
    return "; ".join(seen)


def _plain(value: Any) -> str:
    if isinstance(value, (set, frozenset, list, tuple)):
        return ", ".join(sorted(map(str, value))) or "empty"
    return str(value)
