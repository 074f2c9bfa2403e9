"""Lists put stored JSON into the answer unread: what they show must be what a look at one server shows."""

from types import SimpleNamespace

import msgspec
import pytest

from monostack.compute.servers import fields


@pytest.mark.parametrize("version", ["2.1", "2.46", "2.47", "2.70", "2.96"])
def test_a_list_shows_a_server_as_a_look_at_it_does(place, version):
    metadata = {"role": 'a "quoted" \\ word', "town": "Zürich"}
    made = place.server(metadata=metadata)
    place.nova.call("PUT", f"/servers/{made['id']}/tags", json={"tags": ["one", "two"]})
    listed = place.nova.get("/servers/detail", at=version).json()["servers"]
    shown = place.nova.get(f"/servers/{made['id']}", at=version).json()["server"]
    assert shown["metadata"] == metadata and len(shown["addresses"]["private"]) == 1
    shown.pop("server_groups", None)  # from 2.71 on, and never in a list
    assert listed == [shown]


@pytest.mark.parametrize("read", [dict, lambda value: msgspec.Raw(msgspec.json.encode(value))])
def test_extra_specs_are_left_out_for_whom_policy_forbids_them(read):
    flavor = {"ram": 64, "extra_specs": {"hw:cpu_policy": "dedicated"}}
    row = {"project_id": "p", "user_id": "u", "flavor": read(flavor)}
    request = SimpleNamespace(verdicts={}, allowed=lambda rule, target: False)
    assert fields.flavor(row, request) == {"ram": 64}
