"""The options that a domain may have of its own, and what they are while nothing is said.

Only what is listed here can be set or read: an option of another group could reach into how the whole cloud
works. Sensitive ones can be set, are kept sealed, and are never shown again; where another option's value
says %(password)s the sealed one is put in when the option is used, and not before.

Source: identity API reference, "Domain configuration"; identity administration guide, "LDAP"; the defaults of
a current identity service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

KNOWN: dict[str, dict[str, Any]] = {
    "identity": {"driver": "sql", "list_limit": None},
    "ldap": {
        "url": "ldap://localhost",
        "user": None,
        "suffix": "cn=example,cn=com",
        "query_scope": "one",
        "page_size": 0,
        "alias_dereferencing": "default",
        "debug_level": None,
        "chase_referrals": None,
        "user_tree_dn": None,
        "user_filter": None,
        "user_objectclass": "inetOrgPerson",
        "user_id_attribute": "cn",
        "user_name_attribute": "sn",
        "user_mail_attribute": "mail",
        "user_description_attribute": "description",
        "user_pass_attribute": "userPassword",
        "user_enabled_attribute": "enabled",
        "user_enabled_invert": False,
        "user_enabled_mask": 0,
        "user_enabled_default": "True",
        "user_attribute_ignore": ["default_project_id"],
        "user_default_project_id_attribute": None,
        "user_enabled_emulation": False,
        "user_enabled_emulation_dn": None,
        "user_enabled_emulation_use_group_config": False,
        "user_additional_attribute_mapping": [],
        "group_tree_dn": None,
        "group_filter": None,
        "group_objectclass": "groupOfNames",
        "group_id_attribute": "cn",
        "group_name_attribute": "ou",
        "group_members_are_ids": False,
        "group_member_attribute": "member",
        "group_desc_attribute": "description",
        "group_attribute_ignore": [],
        "group_additional_attribute_mapping": [],
        "tls_cacertfile": None,
        "tls_cacertdir": None,
        "use_tls": False,
        "tls_req_cert": "demand",
        "use_pool": True,
        "pool_size": 10,
        "pool_retry_max": 3,
        "pool_retry_delay": 0.1,
        "pool_connection_timeout": -1,
        "pool_connection_lifetime": 600,
        "use_auth_pool": True,
        "auth_pool_size": 100,
        "auth_pool_connection_lifetime": 60,
    },
}
SENSITIVE: dict[str, frozenset[str]] = {"identity": frozenset(), "ldap": frozenset(("password",))}
REFERENCE = re.compile(r"%\((\w+)\)s")


def exists(group: str, option: str) -> bool:
    """Whether the option of a known group may be set."""
    return option in KNOWN[group] or option in SENSITIVE[group]


def with_secrets(said: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a group as they are used: references to sensitive ones replaced, and those beside."""

    def put_in(found: re.Match) -> str:
        return str(secrets.get(found[1], found[0]))

    filled = {
        name: REFERENCE.sub(put_in, value) if isinstance(value, str) else value
        for name, value in said.items()
    }
    return filled | dict(secrets)
