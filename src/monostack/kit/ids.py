"""Identifiers as the services spell them: dashed UUIDs, 32 hex digits for identity, `req-` for requests."""

import random
import re
import uuid

_random = random.SystemRandom()
_bits = random.Random(_random.getrandbits(256))

UUID_LIKE = re.compile(r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$")
REQUEST_ID = re.compile(r"^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


def new_uuid() -> str:
    """A dashed version 4 UUID. Ids name things and guard nothing, so they come from a seeded generator (1
    µs)."""
    text = f"{_bits.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"


def new_hex() -> str:
    """32 hex digits, the spelling of identity's users, projects, roles and domains."""
    return new_uuid().replace("-", "")


def new_request_id() -> str:
    return "req-" + new_uuid()


def is_uuid(text: object) -> bool:
    """Whether the text is a UUID, with or without dashes."""
    return isinstance(text, str) and UUID_LIKE.match(text) is not None


def canonical(text: str) -> str:
    """The dashed lower-case spelling of a UUID."""
    return str(uuid.UUID(text))
