"""monostack: a whole cloud in one program.

It speaks the OpenStack APIs, boots real guests, starts in a second and grows by adding hosts.
`monostack.cloud` puts the services together; `monostack.kit` is what they all stand on; `monostack.node`
touches the world.
"""

__version__ = "0.1.0"
