"""What a borrowed token may not do.

A token of a trust, or of a restricted application credential, acts for somebody who may take it back. So it
must make nothing that would outlive it: no further tokens, trusts or credentials.

Source: identity API reference, "OS-TRUST", "Application credentials".
"""

from collections.abc import Iterable

from monostack.identity.tokens.claims import Claims
from monostack.kit.errors import Error
from monostack.kit.request import Request

PRIMARY = frozenset(
    ("external", "kerberos", "mapped", "openid", "password", "saml2", "token", "totp", "x509"),
)
"""The methods that prove the user himself. A token got by any other is borrowed: by a future one, too."""
FORBIDDEN = "You are not authorized to perform the requested action"
CREDENTIAL = (
    "Using method 'application_credential' is not allowed for managing additional application credentials."
)


def refuse(request: Request) -> None:
    """Raise Error 403 if the caller's token is borrowed. That of an unrestricted application credential does
    not count: to make and delete credentials is what it may."""
    refuse_lent(request)
    if request.caller.token.get("application_credential", {}).get("restricted"):
        raise Error(403, "Forbidden", f"{FORBIDDEN}: {CREDENTIAL}")


def refuse_lent(request: Request) -> None:
    """Raise Error 403 if the caller's token is one that somebody lent him: any borrowed one but those of
    application credentials, which are the user's own."""
    token = request.caller.token
    own = "application_credential" in token["methods"]
    if "OS-TRUST:trust" in token or (not own and delegated(token["methods"])):
        raise Error(403, "Forbidden", f"{FORBIDDEN}.")


def refuse_all(request: Request) -> None:
    """Raise Error 403 if the caller's token is a borrowed one of whatever kind."""
    token = request.caller.token
    if "OS-TRUST:trust" in token or delegated(token["methods"]):
        raise Error(403, "Forbidden", f"{FORBIDDEN}.")


def refuse_delegated(request: Request) -> None:
    """Raise Error 403 if the caller's token was not got by the user himself. Tokens of a trust count as got
    by him: to look at trusts and to pass one on is what they may."""
    if delegated(request.caller.token["methods"]):
        raise forbidden("Delegated tokens cannot manage trusts")


def delegated(methods: Iterable[str]) -> bool:
    """Whether a token got by these methods is a borrowed one. One that lost its methods is."""
    named = set(methods)
    return not named or not named <= PRIMARY


def forbidden(words: str) -> Error:
    return Error(403, "Forbidden", f"{FORBIDDEN}: {words}.")


def refuse_as_origin(claims: Claims) -> None:
    """Raise Error 403 if a borrowed token is used to log in with."""
    if claims.trust_id is not None:
        raise forbidden(
            "Using trust-scoped token to create another token. Create a new trust-scoped token instead"
        )
    if delegated(claims.methods):
        raise forbidden("Using a delegated token to create another token is not allowed")
