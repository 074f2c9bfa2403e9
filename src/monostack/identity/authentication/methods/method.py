"""What a way to log in is: a name, what it reads of the body, and how it proves whom.

A method knows nothing of the others, of scopes or of making tokens; login.py asks each that the body names
and combines their proofs. So a new one is a module with a METHOD, a line in known.py, and a name in
tokens/claims.METHODS (a token says by which methods it was got, a bit each: names are only ever added at
the end).

Source: identity API reference, "Authentication and token management".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from monostack.kit.context import Context
from monostack.kit.db import Db
from monostack.kit.request import Request


def _stands(db: Db) -> None:
    """For a proof that nothing can undo."""


@dataclass(frozen=True)
class Proof:
    """Who it is, as a method proved it, and what that does to the token.

    `methods` are the names that the token will say. `still(db)` looks again, in the snapshot in which the
    token is made, whether what was proved is still so, and raises the refusal. `epoch` is that of the user's
    row when his secret was compared: what ends his tokens, or locks his account, ends a login that has got
    half way. The token ends at `ends` (microseconds since the epoch) at the latest, and is of the chain of
    tokens `chain_id`. `scope` is a pair like ("project", id) where the method dictates it; `default_project`
    says whether the user's default project is tried when nothing is said about scope. `claims` are further
    fields of the token's Claims, `more` what goes into its `more`.
    """

    user_id: str
    methods: tuple[str, ...]
    still: Callable[[Db], None] = _stands
    epoch: int | None = None
    ends: int | None = None
    chain_id: str | None = None
    scope: tuple[str, str | None] | None = None
    default_project: bool = True
    claims: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """A way to log in.

    `read(asked, auth)` takes what stands under the method's name in the body (and the whole `auth`, for those
    that must know of the scope asked for), and gives what `prove` needs; raises Error 400 with what it lacks.
    `prove(ctx, asked)` gives the Proof, or raises verifying.refused(), never telling which part was wrong.
    (Whether a token got by it is a borrowed one, that makes no others, is said in delegation/borrowed.py.)
    `unasked(request)` gives what `prove` needs where a request itself brings a proof that no body asks for;
    None where it does not. A refusal of such a proof leaves the word to the other methods.
    """

    name: str
    read: Callable[[Any, Mapping[str, Any]], Any]
    prove: Callable[[Context, Any], Awaitable[Proof]]
    unasked: Callable[[Request], Any] | None = None
