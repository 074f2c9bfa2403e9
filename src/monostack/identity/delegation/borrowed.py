"""What a borrowed token may not do.

A token of a trust, or of a restricted application credential, acts for somebody who may take it back. So it
must make nothing that would outlive it: no further tokens, trusts or credentials.

Source: identity API reference, "OS-TRUST", "Application credentials".
"""

from monostack.identity.tokens.tokens import Claims
from monostack.kit.errors import Error
from monostack.kit.request import Request

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


def refuse_as_origin(claims: Claims) -> None:
    """Raise Error 403 if a borrowed token is used to log in with."""
    if claims.trust_id is not None:
        words = "Using trust-scoped token to create another token. Create a new trust-scoped token instead."
        raise Error(403, "Forbidden", f"{FORBIDDEN}: {words}")
    if claims.credential_id is not None:
        words = "Using a delegated token to create another token is not allowed."
        raise Error(403, "Forbidden", f"{FORBIDDEN}: {words}")
