"""The identity service, assembled."""

from monostack.identity import auth, bootstrap, tables, versions
from monostack.identity.wire import IdentityWire
from monostack.kit.resource import Service

SERVICE = Service(
    name="identity",
    type="identity",
    title="keystone",
    ports=(5000,),
    mount="identity",
    wire=IdentityWire(),
    prefixes=("/v3",),
    endpoint="/v3",
    routes=(*versions.ROUTES, *auth.ROUTES),
    tables=tables.TABLES,
    bootstrap=bootstrap.bootstrap,
)
