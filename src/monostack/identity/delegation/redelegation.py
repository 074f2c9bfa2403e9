"""How a trust may be passed on: less often each time, and never lending more than what it came from.

Source: identity API reference, "OS-TRUST", redelegation; what a current identity service answers.
"""

from __future__ import annotations

from typing import Any

from monostack.identity.attributes import bad
from monostack.identity.delegation.borrowed import forbidden
from monostack.kit.db import Row, Tx


def count(tx: Tx, asked: dict[str, Any], source: list[Row] | None) -> int:
    """How often the new trust may be passed on."""
    wanted = asked.get("redelegation_count")
    if not asked.get("allow_redelegation") or wanted == 0:
        return 0
    most = tx.cloud.settings.identity.max_redelegation_count
    if wanted and wanted > most:
        raise forbidden(f"redelegation_count is {wanted}: it may be at most {most} here")
    if asked.get("remaining_uses") is not None:
        raise bad("remaining_uses must not be set if redelegation is allowed")
    if not source:
        return wanted or most
    left = source[0]["redelegation_count"] - 1
    if wanted and wanted != left:
        raise forbidden(f"redelegation_count of a trust that is passed on is {left}: leave it out")
    return max(left, 0)


def narrowed(tx: Tx, values: dict[str, Any], source: list[Row]) -> dict[str, Any]:
    """What a trust takes over from the one that it passes on; raises Error 403 where it would lend more."""
    most = tx.cloud.settings.identity.max_redelegation_count
    expires_at = values["expires_at"]
    if values["remaining_uses"] is not None:
        raise forbidden("remaining_uses must not be set in a trust that is passed on")
    for trust in source:
        if not 0 < (trust["redelegation_count"] or 0) <= most:
            raise forbidden(f"trust {trust['id']} may not be passed on any further")
        if trust["project_id"] != values["project_id"]:
            raise forbidden("a trust can only be passed on for its own project")
        if not set(values["roles"]) <= set(trust["roles"]):
            raise forbidden("some of the roles are not in the trust that is passed on")
        if values["impersonation"] and not trust["impersonation"]:
            raise forbidden("impersonation is not in the trust that is passed on")
        if trust["expires_at"] is not None:
            expires_at = expires_at or trust["expires_at"]
            if expires_at > trust["expires_at"]:
                raise forbidden(f"the trust that is passed on expires at {trust['expires_at']}Z already")
    return {"redelegated_trust_id": source[0]["id"], "expires_at": expires_at}
