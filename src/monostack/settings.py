"""Every setting of the program, in one typed tree.

Order of precedence: command line, environment (MONOSTACK_SECTION__NAME, MONOSTACK_NAME for the top),
DIR/monostack.toml, the defaults here. docs/operating.md explains each; a test fails when one is missing
there.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def default_state() -> Path:
    """/var/lib/monostack as root, ~/.local/state/monostack otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/monostack")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "monostack"


@dataclass
class Identity:
    methods: tuple[str, ...] = (
        "external",
        "password",
        "token",
        "totp",
        "application_credential",
        "oauth1",
        "mapped",
        "saml2",
        "openid",
    )
    allow_rescope_scoped_token: bool = True
    token_seconds: int = 3600
    receipt_seconds: int = 300
    totp_included_previous_windows: int = 1
    trusted_proxies: tuple[str, ...] = ()
    external_user_header: str = "X-Remote-User"
    external_domain_header: str = "X-Remote-Domain"
    password_hash_algorithm: str = "bcrypt"
    password_hash_rounds: int = 0
    max_password_length: int = 4096
    strict_password_check: bool = False
    password_regex: str = ""
    password_regex_description: str = ""
    password_expires_days: int = 0
    minimum_password_age: int = 0
    unique_last_password_count: int = 0
    change_password_upon_first_use: bool = False
    lockout_failure_attempts: int = 0
    lockout_duration: int = 1800
    disable_user_account_days_inactive: int = 0
    failed_logins_per_minute: int = 0
    allow_expired_seconds: int = 172800
    max_active_keys: int = 3
    token_provider: str = "fernet"
    signature_seconds: int = 900
    client_certificate_header: str = "X-SSL-Client-Cert"
    oauth2_cert_dn_mapping_id: str = "oauth2_mapping"
    v2_api: bool = True
    return_all_endpoints_if_no_filter: bool = True
    max_redelegation_count: int = 3
    application_credential_limit: int = -1
    request_token_duration: int = 28800
    access_token_duration: int = 86400
    admin_password: str = ""
    demo_password: str = ""
    project_delete: str = "keep"
    limit_enforcement_model: str = "flat"
    max_project_tree_depth: int = 5
    project_name_url_safe: str = "off"
    domain_name_url_safe: str = "off"
    directory_timeout_seconds: float = 5.0
    directory_cache_seconds: int = 300


@dataclass
class Federation:
    sources: str = "federation.toml"
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    assertion_prefix: str = "OIDC-"
    remote_id_attribute: str = ""
    trusted_dashboards: tuple[str, ...] = ()
    authorization_ttl: int = 0
    mapping_schema_version: str = "1.0"
    saml_entity_id: str = ""
    assertion_seconds: int = 3600


@dataclass
class Image:
    max_bytes: int = 64 << 30
    show_multiple_locations: bool = False
    show_image_direct_url: bool = False
    enforce_format: bool = True
    stores: tuple[str, ...] = ("fs:file",)
    default_store: str = ""
    store: dict[str, Any] = field(default_factory=dict)
    staging: str = ""
    enabled_import_methods: tuple[str, ...] = ("glance-direct", "web-download", "copy-image")
    fetch_also_from: tuple[str, ...] = ()
    allowed_schemes: tuple[str, ...] = ()
    disallowed_schemes: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    disallowed_hosts: tuple[str, ...] = ()
    allowed_ports: tuple[str, ...] = ()
    disallowed_ports: tuple[str, ...] = ()
    do_secure_hash: bool = True
    http_retries: int = 3
    import_plugins: tuple[str, ...] = ()
    image_conversion_output_format: str = "raw"
    decompression_ratio: int = 200
    inject: dict[str, Any] = field(default_factory=dict)
    inject_ignore_user_roles: tuple[str, ...] = ("admin",)
    certificates: str = ""
    use_keystone_limits: bool = False
    property_protection_file: str = ""
    property_protection_rule_format: str = "roles"
    stock_metadefs: bool = True
    cache: bool = True
    cache_dir: str = ""
    cache_max_bytes: int = 10 << 30


@dataclass
class Compute:
    cpu_allocation_ratio: float = 16.0
    ram_allocation_ratio: float = 1.5
    disk_allocation_ratio: float = 1.0
    reserved_ram_mb: int = 512
    build_attempts: int = 3
    soft_reboot_seconds: int = 60
    power_off_seconds: int = 60
    metadata_secret: str = ""
    default_availability_zone: str = "nova"
    enabled_filters: tuple[str, ...] = (
        "ComputeFilter",
        "ComputeCapabilitiesFilter",
        "ImagePropertiesFilter",
        "ServerGroupAntiAffinityFilter",
        "ServerGroupAffinityFilter",
    )


@dataclass
class Network:
    external_cidr: str = "172.24.4.0/24"
    dns_domain: str = "openstacklocal"
    dns_servers: tuple[str, ...] = ()
    mtu: int = 1500
    default_pool_cidr: str = "10.0.0.0/22"


@dataclass
class Node:
    vcpus: int = 0
    memory_mb: int = 0
    disk_gb: int = 0
    simulated_hosts: int = 1
    accelerator: str = "auto"
    guests_at_once: int = 2


@dataclass
class Settings:
    state: Path = field(default_factory=default_state)
    listen: str = "127.0.0.1"
    port_offset: int = 0
    shared_port: int | None = None
    public_url: str = ""
    database: str = ""
    hypervisor: str = "auto"
    networks: str = "auto"
    only: tuple[str, ...] = ()
    host: str = field(default_factory=socket.gethostname)
    region: str = "RegionOne"
    stop_guests: bool = False
    persist_simulated: bool = True
    log_level: str = "info"
    identity: Identity = field(default_factory=Identity)
    federation: Federation = field(default_factory=Federation)
    image: Image = field(default_factory=Image)
    compute: Compute = field(default_factory=Compute)
    network: Network = field(default_factory=Network)
    node: Node = field(default_factory=Node)

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:{self.state / 'monostack.db'}"


CHOICES = {
    "identity.project_delete": ("keep", "refuse", "purge"),
    "identity.limit_enforcement_model": ("flat", "strict_two_level"),
    "identity.project_name_url_safe": ("off", "new", "strict"),
    "identity.domain_name_url_safe": ("off", "new", "strict"),
}
"""Settings that are one of a few words."""


class BadSetting(ValueError):
    """A setting that is unknown or has the wrong type; the words name it and what is allowed."""


def load(overrides: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from defaults, DIR/monostack.toml, environment and `overrides` (dotted names); raises
    BadSetting."""
    state = Path(overrides.get("state") or environment.get("MONOSTACK_STATE") or default_state())
    settings = Settings(state=state)
    file = state / "monostack.toml"
    if file.is_file():
        try:
            _apply_tree(settings, tomllib.loads(file.read_text()), str(file))
        except tomllib.TOMLDecodeError as reason:
            raise BadSetting(f"{file}: {reason}") from None
    for name, text in environment.items():
        if name.startswith("MONOSTACK_") and name not in ("MONOSTACK_STATE",):
            dotted = name.removeprefix("MONOSTACK_").lower().replace("__", ".")
            if _known(settings, dotted):
                put(settings, dotted, text, name)
    for dotted, value in overrides.items():
        if value is not None:
            put(settings, dotted, value, "the command line")
    return settings


def _apply_tree(target, tree: Mapping[str, Any], where: str, prefix: str = "") -> None:
    for name, value in tree.items():
        if isinstance(value, dict) and dataclasses.is_dataclass(getattr(target, name, None)):
            _apply_tree(getattr(target, name), value, where, prefix + name + ".")
        else:
            put(target, name, value, where, prefix)


def _known(settings: Settings, dotted: str) -> bool:
    target: Any = settings
    for word in dotted.split("."):
        if not hasattr(target, word):
            return False
        target = getattr(target, word)
    return True


def put(target: Any, dotted: str, value: Any, where: str, prefix: str = "") -> None:
    """Set one setting by its dotted name; raises BadSetting."""
    *path, name = dotted.split(".")
    for word in path:
        target = getattr(target, word, None)
    fields = (
        {each.name: each for each in dataclasses.fields(target)} if dataclasses.is_dataclass(target) else {}
    )
    if name not in fields:
        raise BadSetting(f"{where}: there is no setting {prefix}{dotted}")
    converted = _convert(value, str(fields[name].type), f"{where}: {prefix}{dotted}")
    allowed = CHOICES.get(prefix + dotted)
    if allowed is not None and converted not in allowed:
        raise BadSetting(f"{where}: {prefix}{dotted} is {value!r}: it must be {', '.join(allowed)}")
    setattr(target, name, converted)


def _convert(value: Any, kind: str, where: str) -> Any:
    try:
        if kind == "bool":
            return (
                value
                if isinstance(value, bool)
                else {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                    str(value).lower()
                ]
            )
        if kind.startswith("int"):
            return int(value)
        if kind == "float":
            return float(value)
        if kind == "Path":
            return Path(value)
        if kind.startswith("dict"):
            return dict(json.loads(value) if isinstance(value, str) else value)
        if kind.startswith("tuple"):
            words = value.split(",") if isinstance(value, str) else value
            return tuple(str(word).strip() for word in words if str(word).strip())
        return str(value)
    except (ValueError, KeyError, TypeError):
        raise BadSetting(f"{where} is {value!r}: it must be {kind}") from None


def names(settings: Settings | None = None) -> list[str]:
    """The dotted names of all settings."""
    out = []
    for each in dataclasses.fields(settings or Settings()):
        value = getattr(settings or Settings(), each.name)
        if dataclasses.is_dataclass(value):
            out += [f"{each.name}.{inner.name}" for inner in dataclasses.fields(value)]
        else:
            out.append(each.name)
    return out
