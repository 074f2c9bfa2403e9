"""Search filters. What a caller says only ever stands as a value, escaped; he can add no condition of his
own.

Source: RFC 4515, section 3: NUL, parentheses, asterisk and backslash are written as a backslash and two hex
digits; here everything outside of printable ASCII is, too."""

from __future__ import annotations

from collections.abc import Iterable

PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b"()*\\")


def escaped(value: str) -> str:
    """A value that means itself and nothing else."""
    return "".join(chr(byte) if byte in PLAIN else f"\\{byte:02x}" for byte in value.encode())


def equal(attribute: str, value: str) -> str:
    return f"({attribute}={escaped(value)})"


def contains(attribute: str, value: str) -> str:
    return f"({attribute}=*{escaped(value)}*)" if value else present(attribute)


def starts(attribute: str, value: str) -> str:
    return f"({attribute}={escaped(value)}*)" if value else present(attribute)


def ends(attribute: str, value: str) -> str:
    return f"({attribute}=*{escaped(value)})" if value else present(attribute)


def present(attribute: str) -> str:
    return f"({attribute}=*)"


def every(conditions: Iterable[str]) -> str:
    """All of the conditions; those that say nothing are left out. An operator's own may lack parentheses."""
    given = [text if text.startswith("(") else f"({text})" for text in map(str.strip, conditions) if text]
    return "".join(given) if len(given) < 2 else f"(&{''.join(given)})"


def either(conditions: Iterable[str]) -> str:
    given = list(conditions)
    return given[0] if len(given) == 1 else f"(|{''.join(given)})"
