"""The doors before the rooms: which versions there are, and what the extensions list still says.

Version documents are public: a client reads them before it has a token. Extensions ended as a way to change
the API long ago; old clients still ask for the list, so it names what this service always has.
"""

from monostack.compute.wire import FIRST_VERSION, LAST_VERSION, spell
from monostack.kit.errors import Error
from monostack.kit.resource import PUBLIC, Route

MEDIA_TYPE = "application/vnd.openstack.compute+json;version=2.1"
EXTENSIONS = (
    ("os-keypairs", "Keypairs", "Public keys for the login to servers."),
    ("os-availability-zone", "AvailabilityZone", "Groups of hosts that a server can ask for."),
    ("os-flavor-extra-specs", "FlavorExtraSpecs", "Further properties of flavors."),
    ("os-flavor-access", "FlavorAccess", "Flavors of some projects only."),
    ("os-hypervisors", "Hypervisors", "The hosts that carry servers."),
    ("os-services", "Services", "The services that make up the cloud."),
    ("os-aggregates", "Aggregates", "Groups of hosts that operators make."),
    ("os-quota-sets", "Quotas", "How much a project may have."),
    ("os-server-groups", "ServerGroups", "Servers that belong together, or apart."),
    ("os-instance-actions", "InstanceActions", "What was done to a server."),
    ("os-consoles", "Consoles", "A server's screen and serial line in a browser."),
    ("os-server-external-events", "ServerExternalEvents", "What other services tell of servers."),
    ("os-attach-interfaces", "AttachInterfaces", "The interfaces of servers."),
    ("os-console-output", "Consoles", "What a server's console printed."),
    ("os-lock-server", "LockServer", "Servers that only administrators may change."),
    ("os-pause-server", "PauseServer", "Servers that stand still."),
    ("os-suspend-server", "SuspendServer", "Servers that sleep on the disk."),
    ("os-config-drive", "ConfigDrive", "Metadata on a disk of the server."),
    ("os-user-data", "UserData", "Data that the user gives to a server."),
    ("os-security-groups", "SecurityGroups", "The security groups of servers."),
    ("os-hosts", "Hosts", "The hosts, as they were asked for before there were services."),
    ("os-floating-ips", "FloatingIps", "Addresses of the outside, put on servers."),
    ("os-floating-ip-pools", "FloatingIpPools", "Where such addresses come from."),
    ("os-networks", "Networks", "Networks that servers stand on."),
    ("os-tenant-networks", "TenantNetworks", "The same, for projects."),
    ("os-quota-class-sets", "QuotaClasses", "How much every project may have."),
    ("os-simple-tenant-usage", "SimpleTenantUsage", "How many hours of what a project has used."),
    ("os-server-diagnostics", "ServerDiagnostics", "What a host measures of a server."),
    ("os-server-password", "ServerPassword", "The password that a guest gave itself."),
    ("os-used-limits", "UsedLimits", "How much of the limits is used."),
)


def versions(request, db) -> dict:
    return {"versions": [_legacy(request), _current(request)]}


def current(request, db) -> dict:
    media = {"base": "application/json", "type": MEDIA_TYPE}
    document = _current(request)
    document["links"].append(
        {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}
    )
    return {"version": document | {"media-types": [media]}}


def legacy(request, db) -> dict:
    media = {"base": "application/json", "type": MEDIA_TYPE.replace("2.1", "2")}
    document = _legacy(request)
    document["links"].append(
        {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}
    )
    return {"version": document | {"media-types": [media]}}


def _current(request) -> dict:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": spell(LAST_VERSION),
        "min_version": spell(FIRST_VERSION),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": f"{request.base}/v2.1/"}],
    }


def _legacy(request) -> dict:
    return {
        "id": "v2.0",
        "status": "DEPRECATED",
        "version": "",
        "min_version": "",
        "updated": "2025-07-04T12:00:00Z",
        "links": [{"rel": "self", "href": f"{request.base}/v2/"}],
    }


def extensions(request, db) -> dict:
    return {"extensions": [_extension(*each) for each in EXTENSIONS]}


def extension(request, db) -> dict:
    for each in EXTENSIONS:
        if each[0] == request.path["alias"]:
            return {"extension": _extension(*each)}
    raise Error(404, "ExtensionNotFound", f"There is no extension {request.path['alias']}.")


def _extension(alias: str, name: str, description: str) -> dict:
    return {
        "alias": alias,
        "name": name,
        "description": description,
        "links": [],
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml",
        "updated": "2014-12-03T00:00:00Z",
    }


ROUTES = (
    Route("GET", "^/", versions, PUBLIC),
    Route("GET", "^/v2.1", current, PUBLIC),
    Route("GET", "^/v2", legacy, PUBLIC),
    Route("GET", "/extensions", extensions, "os_compute_api:extensions", query="extension_info.index"),
    Route("GET", "/extensions/{alias}", extension, "os_compute_api:extensions", query="extension_info.show"),
)
