"""Metadata: what a guest is told of itself, on a drive, at 169.254.169.254, and behind port 8775.

One `Subject` (everything that is told of one server) is read in a few statements; the two trees,
OpenStack's and EC2's, are views of it, version by version. The config drive is all of both at once; the
service gives one document at a time. So a guest reads the same wherever it asks.

Rooms: `subject` (what is told), `openstack` and `ec2` (how), `http` (paths to documents, who asks), `service`
(port 8775), `passwords` (what a guest says once).
"""

from monostack.compute.metadata.drive import tree, wants_drive
from monostack.compute.metadata.http import answerer

__all__ = ["answerer", "tree", "wants_drive"]
