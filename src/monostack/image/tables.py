"""What the image service keeps.

Properties and tags stand twice: in the image's row, because every answer shows all of them, and in tables of
their own, because lists filter by them. `rows` writes both.

`upload` is the token of whoever works on the image's data: an upload, a staging, an import. `places` says
where whole data stand, in the order in which they are read; every place, and everything half written or
doomed, has a row in the table of blobs, which `blobs` alone writes. `staged` is what is known of staged data.
A deleted row stays: its id is never given out again.
"""

from monostack.kit.db import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    Time,
    due,
    live,
    stamps,
)

IMAGES = Table(
    "image_images",
    Column("name", String(255)),
    Column("status", String(30)),
    Column("visibility", String(9)),
    Column("owner", String(255)),
    Column("disk_format", String(20)),
    Column("container_format", String(20)),
    Column("size", BigInteger),
    Column("virtual_size", BigInteger),
    Column("checksum", String(32)),
    Column("os_hash_algo", String(64)),
    Column("os_hash_value", String(128)),
    Column("min_disk", Integer, default=lambda: 0),
    Column("min_ram", Integer, default=lambda: 0),
    Column("protected", Boolean, default=lambda: False),
    Column("os_hidden", Boolean, default=lambda: False),
    Column("properties", JSON),
    Column("tags", JSON),
    Column("upload", String(64)),
    Column("blob", String(64)),
    Column("places", JSON),
    Column("staged", JSON),
    Column("deleted_at", String(26)),
    *stamps(),
    *due(),
    live(),
    Index("image_images_owner", "owner", "live"),
    Index("image_images_visibility", "visibility", "live"),
    Index("image_images_created", "created_at"),
    Index("image_images_name", "name"),
)
IMAGES.info["stamp_updated"] = True

BLOBS = Table(
    "image_blobs",
    Column("image_id", String(64), index=True),
    Column("store", String(64)),
    Column("key", Text),
    Column("status", String(10)),
    Column("size", BigInteger),
    *stamps(),
    *due(),
)
"""Data in a store: writing, staged, present, or doomed until the store has confirmed that they are gone."""

PROPERTIES = Table(
    "image_properties",
    Column("image_id", String(64), primary_key=True, nullable=False),
    Column("name", String(255), primary_key=True, nullable=False),
    Column("value", Text),
)

TAGS = Table(
    "image_tags",
    Column("image_id", String(64), primary_key=True, nullable=False),
    Column("value", String(255), primary_key=True, nullable=False),
)

MEMBERS = Table(
    "image_members",
    Column("image_id", String(64), primary_key=True, nullable=False),
    Column("member_id", String(255), primary_key=True, nullable=False),
    Column("status", String(20)),
    *stamps(),
    Index("image_members_member", "member_id", "status"),
)
MEMBERS.info["stamp_updated"] = True

TASKS = Table(
    "image_tasks",
    Column("image_id", String(64), index=True),
    Column("type", String(30)),
    Column("status", String(30)),
    Column("owner", String(255)),
    Column("user_id", String(64)),
    Column("request_id", String(64)),
    Column("input", JSON),
    Column("message", Text),
    Column("token", String(64)),
    Column("roles", JSON),
    Column("expires_at", String(26)),
    *stamps(),
    *due(),
    Index("image_tasks_created", "created_at"),
)
TASKS.info["stamp_updated"] = True

NAMESPACES = Table(
    "image_metadef_namespaces",
    Column("namespace", String(80), primary_key=True, nullable=False),
    Column("display_name", String(80)),
    Column("description", Text),
    Column("visibility", String(16)),
    Column("protected", Boolean, default=lambda: False),
    Column("owner", String(255)),
    *stamps(),
)
NAMESPACES.info["stamp_updated"] = True

DEFINITIONS = Table(
    "image_metadef_definitions",
    Column("namespace", String(80), primary_key=True, nullable=False),
    Column("kind", String(16), primary_key=True, nullable=False),
    Column("name", String(80), primary_key=True, nullable=False),
    Column("value", JSON),
    *stamps(),
)
DEFINITIONS.info["stamp_updated"] = True

CACHED = Table(
    "image_cached",
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("image_id", String(64), nullable=False, unique=True),
    Column("status", String(10)),
    Column("token", String(64)),
    Column("key", Text),
    Column("size", BigInteger),
    Column("hits", Integer, default=lambda: 0),
    Column("accessed_at", Time),
    *stamps(),
    *due(),
)
"""Images in the cache: queued until a loop has brought their data, then cached."""

ALL = (IMAGES, BLOBS, CACHED, PROPERTIES, TAGS, MEMBERS, TASKS, NAMESPACES, DEFINITIONS)
