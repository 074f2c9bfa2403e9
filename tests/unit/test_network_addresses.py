"""Arithmetic of addresses: positions, pools, addresses that follow from a MAC."""

from __future__ import annotations

import pytest

from monostack.kit.errors import Error
from monostack.network import addresses, subnets


def subnet(cidr: str, pools: list[tuple[str, str]] = ()) -> dict:
    return {"cidr": cidr, "allocation_pools": [{"start": start, "end": end} for start, end in pools]}


def test_a_position_counts_from_the_start_of_the_subnet():
    assert addresses.position(subnet("10.0.0.0/24"), "10.0.0.9") == 9
    assert addresses.position(subnet("fd00::/64"), "fd00::1:0") == 65536


def test_addresses_too_far_out_have_no_position():
    assert addresses.position(subnet("fd00::/64"), "fd00::f816:3eff:fe00:1") is None


def test_pools_as_positions_are_in_order():
    pools = [("10.0.0.100", "10.0.0.200"), ("10.0.0.2", "10.0.0.9")]
    assert addresses.spans(subnet("10.0.0.0/24", pools)) == [(2, 9), (100, 200)]


def test_an_ipv6_pool_ends_where_counting_ends():
    spans = addresses.spans(subnet("fd00::/64", [("fd00::2", "fd00::ffff:ffff:ffff:ffff")]))
    assert spans == [(2, addresses.LARGEST_POSITION - 1)]


def test_an_address_from_a_mac():
    assert addresses.from_mac(subnet("fd00:1::/64"), "fa:16:3e:12:34:56") == "fd00:1::f816:3eff:fe12:3456"


@pytest.mark.parametrize(
    ("cidr", "gateway", "pools"),
    [
        ("10.0.0.0/24", "10.0.0.1", [("10.0.0.2", "10.0.0.254")]),
        ("10.0.0.0/24", "10.0.0.254", [("10.0.0.1", "10.0.0.253")]),
        ("10.0.0.0/24", "10.0.1.1", [("10.0.0.1", "10.0.0.254")]),
        ("10.0.0.0/24", None, [("10.0.0.1", "10.0.0.254")]),
        ("10.0.0.0/30", "10.0.0.1", [("10.0.0.2", "10.0.0.2")]),
        ("10.0.0.0/31", "10.0.0.0", [("10.0.0.1", "10.0.0.1")]),
        ("10.0.0.0/32", None, [("10.0.0.0", "10.0.0.0")]),
        ("fd00::/126", "fd00::1", [("fd00::2", "fd00::3")]),
    ],
)
def test_pools_that_nobody_chose(cidr, gateway, pools):
    assert subnets.default_pools(cidr, gateway) == [{"start": start, "end": end} for start, end in pools]


@pytest.mark.parametrize("address", ["10.0.0.0", "10.0.0.255", "10.0.1.1", "fd00::1"])
def test_addresses_that_no_port_may_have(address):
    with pytest.raises(Error) as refusal:
        addresses.check_usable(subnet("10.0.0.0/24"), address)
    assert refusal.value.type == "InvalidIpForSubnet"


def test_both_addresses_of_a_point_to_point_subnet_are_usable():
    for address in ("10.0.0.0", "10.0.0.1"):
        addresses.check_usable(subnet("10.0.0.0/31"), address)
