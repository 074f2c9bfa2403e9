"""The compute service, put together from its rooms."""

from monostack.compute import (
    aggregates,
    availability_zones,
    external_events,
    flavors,
    hosts,
    hypervisors,
    instance_actions,
    keypairs,
    leaving,
    limits,
    metadata,
    old_hosts,
    quota_classes,
    quota_sets,
    root,
    server_groups,
    server_metadata,
    server_tags,
    server_topology,
    services,
    usage,
    usage_audit,
    user_limits,
)
from monostack.compute.consoles import api as consoles
from monostack.compute.consoles.service import NOVNC, SERIAL
from monostack.compute.consoles.tokens import TOKENS as CONSOLE_TOKENS
from monostack.compute.images import api as images
from monostack.compute.images import metadata as image_metadata
from monostack.compute.metadata import passwords
from monostack.compute.metadata.service import METADATA
from monostack.compute.networking import fixed_ips, floating_ips, networks, security_groups
from monostack.compute.servers import api, loop, parts, port_changes, rows, snapshots
from monostack.compute.wire import WIRE
from monostack.kit.resource import Service

TABLES = (
    flavors.FLAVORS,
    flavors.MADE,
    keypairs.KEYPAIRS,
    hosts.HOSTS,
    rows.SERVERS,
    rows.SPECS,
    rows.NUMBERS,
    rows.LEFTOVERS,
    snapshots.SNAPSHOTS,
    instance_actions.ACTIONS,
    passwords.PASSWORDS,
    CONSOLE_TOKENS,
    server_groups.GROUPS,
    aggregates.AGGREGATES,
    user_limits.LIMITS,
)
ROUTES = (
    *root.ROUTES,
    *flavors.ROUTES,
    *external_events.ROUTES,
    *keypairs.ROUTES,
    *api.ROUTES,
    *instance_actions.ROUTES,
    *passwords.ROUTES,
    *consoles.ROUTES,
    *server_metadata.ROUTES,
    *server_tags.ROUTES,
    *server_topology.ROUTES,
    *server_groups.ROUTES,
    *limits.ROUTES,
    *quota_sets.ROUTES,
    *quota_classes.ROUTES,
    *services.ROUTES,
    *availability_zones.ROUTES,
    *aggregates.ROUTES,
    *hypervisors.ROUTES,
    *old_hosts.ROUTES,
    *usage.ROUTES,
    *security_groups.ROUTES,
    *floating_ips.ROUTES,
    *fixed_ips.ROUTES,
    *networks.ROUTES,
    *images.ROUTES,
    *image_metadata.ROUTES,
    *usage_audit.ROUTES,
)


def bootstrap(tx, cloud) -> None:
    flavors.bootstrap(tx, cloud)
    snapshots.bootstrap(tx, cloud)
    cloud.metadata = metadata.answerer(cloud)


SERVICE = Service(
    name="compute",
    type="compute",
    title="nova",
    overview=(
        ("flavors", flavors.FLAVORS, ("id", "name", "ram", "vcpus", "disk")),
        ("instances", rows.SERVERS, ("id", "name", "project_id", "vm_state", "task_state", "host")),
    ),
    ports=(8774,),
    wire=WIRE,
    routes=ROUTES,
    mount="compute",
    prefixes=("/v2.1", "/v2"),
    endpoint="/v2.1",
    project_in_path=True,
    tables=TABLES,
    loops=(loop.LOOP, snapshots.LOOP),
    parts=(parts.SERVER,),
    needs=("identity", "placement", "image", "network"),
    hooks=(
        ("host.hello", hosts.on_hello),
        ("network.port.changed", port_changes.on_changed),
        ("network.port.delete", port_changes.on_deleted),
        ("network.port.up", port_changes.on_up),
        ("compute.server.gone", passwords.on_gone),
        *leaving.HOOKS,
    ),
    bootstrap=bootstrap,
    companions=(METADATA, NOVNC, SERIAL),
    description="OpenStack Compute",
)
