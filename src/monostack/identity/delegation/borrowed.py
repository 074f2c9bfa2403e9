"""What a borrowed token may not do.

A token of a trust, or of a restricted application credential, acts for somebody who may take it back. So it
must make nothing that would outlive it: no further tokens, trusts or credentials.

Source: identity API reference, "OS-TRUST", "Application credentials".
"""

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
    """Raise Error 403 if the caller's token is borrowed."""
    token = request.caller.token
    if "OS-TRUST:trust" in token:
        raise Error(403, "Forbidden", f"{FORBIDDEN}.")
    if token.get("application_credential", {}).get("restricted"):
        raise Error(403, "Forbidden", f"{FORBIDDEN}: {CREDENTIAL}")


def forbidden(words: str) -> Error:
    return Error(403, "Forbidden", f"{FORBIDDEN}: {words}.")


def refuse_as_origin(claims: Claims) -> None:
    """Raise Error 403 if a borrowed token is used to log in with."""
    if claims.trust_id is not None:
        raise forbidden(
            "Using trust-scoped token to create another token. Create a new trust-scoped token instead"
        )
    if not claims.methods or not PRIMARY.issuperset(claims.methods):
        raise forbidden("Using a delegated token to create another token is not allowed")
