"""What is kept of OAuth 1. Secrets are sealed and not hashed, because to check a signature one needs them."""

import sqlalchemy as sa

from monostack.kit import ids
from monostack.kit.db import JSON, Column, String, Table, Text, Time, stamps

CONSUMERS = Table(
    "identity_consumers",
    Column("description", Text),
    Column("sealed_secret", Text, nullable=False),
    Column("extra", JSON),
    *stamps(),
    id=ids.new_hex,
)


def _token() -> tuple[sa.Column, ...]:
    """What both kinds of token have: for whom, where, with which roles."""
    return (
        Column("consumer_id", String(64), nullable=False, index=True),
        Column("project_id", String(64), nullable=False, index=True),
        Column("user_id", String(64), index=True),
        Column("roles", JSON),
        Column("sealed_secret", Text, nullable=False),
        Column("expires_at", Time, index=True),
    )


REQUEST_TOKENS = Table(
    "identity_request_tokens", *_token(), Column("verifier_hash", String(64)), *stamps(), id=ids.new_hex
)

ACCESS_TOKENS = Table("identity_access_tokens", *_token(), *stamps(), id=ids.new_hex)

NONCES = Table(
    "identity_oauth1_nonces",
    Column("id", String(64), primary_key=True),
    Column("forget_at", Time, nullable=False, index=True),
)
"""Signed requests that were seen, as long as their time is one that would be believed: digests."""

TABLES = (CONSUMERS, REQUEST_TOKENS, ACCESS_TOKENS, NONCES)
