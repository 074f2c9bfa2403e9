"""What guests are told: the two trees, their versions, and the config drive."""

import base64
import json

import pytest

from monostack.compute.metadata import drive, ec2, openstack
from monostack.compute.metadata.subject import Subject, decoded

SERVER = {
    "id": "5f0d1f4e-8a0c-4a40-9f62-0d4b8a3c6f11",
    "number": 26,
    "name": "web",
    "hostname": "web",
    "project_id": "a" * 32,
    "launch_index": 0,
    "zone": "nova",
    "reservation_id": "r-abcdefgh",
    "image_id": "70a599e0-31e7-49b7-b260-868f441e862b",
    "key_name": "mine",
    "flavor": {"original_name": "m1.tiny", "ephemeral": 1, "swap": 0},
    "root_device_name": "/dev/vda",
    "security_groups": ["default", "web"],
    "metadata": {"role": "front"},
}
KEY = {"name": "mine", "type": "ssh", "data": "ssh-ed25519 AAAA me"}
NIC = {"port_id": "p1", "mac": "fa:16:3e:00:00:01", "tag": "public"}


def subject(**changes) -> Subject:
    given = {
        "row": SERVER,
        "hostname": "web.example.org",
        "key": KEY,
        "files": (("/etc/motd", b"hello"),),
        "user_data": b"#!/bin/sh\n",
        "nics": (NIC, {"port_id": "p2", "mac": "fa:16:3e:00:00:02", "tag": None}),
        "fixed_ips": ("10.0.0.5", "10.1.0.5"),
        "floating_ips": ("172.24.4.9",),
    }
    return Subject(**(given | changes))


def test_the_newest_meta_data_tells_all_that_is_known():
    told = openstack.meta_data(subject(), openstack.VERSIONS[-1])
    assert len(base64.b64decode(told.pop("random_seed"))) == 512
    assert told == {
        "uuid": SERVER["id"],
        "meta": {"role": "front"},
        "files": [{"path": "/etc/motd", "content_path": "/content/0000"}],
        "public_keys": {"mine": KEY["data"]},
        "keys": [KEY],
        "hostname": "web.example.org",
        "name": "web",
        "launch_index": 0,
        "availability_zone": "nova",
        "project_id": "a" * 32,
        "devices": [{"type": "nic", "bus": "none", "address": "none", "mac": NIC["mac"], "tags": ["public"]}],
        "dedicated_cpus": [],
    }


def test_a_server_without_key_files_and_metadata_is_told_nothing_of_them():
    plain = subject(row=SERVER | {"metadata": {}}, key=None, files=(), user_data=None)
    told = openstack.meta_data(plain, openstack.VERSIONS[-1])
    assert not {"meta", "files", "public_keys", "keys"} & set(told)


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        ("2012-08-10", {"random_seed", "project_id", "devices", "dedicated_cpus"}),
        ("2013-04-04", {"project_id", "devices", "dedicated_cpus"}),
        ("2015-10-15", {"devices", "dedicated_cpus"}),
        ("2018-08-27", {"dedicated_cpus"}),
        ("2025-04-04", set()),
    ],
)
def test_an_older_version_of_meta_data_lacks_what_came_later(version, missing):
    every = set(openstack.meta_data(subject(), openstack.VERSIONS[-1]))
    assert every - set(openstack.meta_data(subject(), version)) == missing


def test_a_folder_lists_the_documents_of_its_version():
    assert openstack.names(subject(), "2012-08-10") == ["meta_data.json", "user_data"]
    assert openstack.names(subject(user_data=None), "2025-04-04") == [
        "meta_data.json",
        "vendor_data.json",
        "network_data.json",
        "vendor_data2.json",
        "password",
    ]


def test_a_document_is_not_there_before_its_version():
    assert openstack.document(subject(), "2013-10-17", "network_data.json") is None
    assert json.loads(openstack.document(subject(), "2015-10-15", "network_data.json"))["links"] == []


def test_latest_is_the_newest_version_and_others_do_not_exist():
    assert openstack.resolve("latest") == "2025-04-04"
    assert ec2.resolve("latest") == "2009-04-04"
    assert openstack.resolve("2014-01-01") is None
    assert ec2.resolve("2014-01-01") is None


def test_the_newest_ec2_meta_data_tells_all_that_is_known():
    assert ec2.meta_data(subject(), "2009-04-04") == {
        "ami-id": "ami-70a599e0",
        "ami-launch-index": 0,
        "ami-manifest-path": "(unknown)",
        "instance-id": "i-0000001a",
        "hostname": "web.example.org",
        "local-ipv4": "10.0.0.5",
        "reservation-id": "r-abcdefgh",
        "security-groups": ["default", "web"],
        "public-keys": {"0": {"_name": "0=mine", "openssh-key": KEY["data"]}},
        "local-hostname": "web.example.org",
        "public-hostname": "web.example.org",
        "public-ipv4": "172.24.4.9",
        "instance-type": "m1.tiny",
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda", "ephemeral0": "/dev/vdb"},
        "placement": {"availability-zone": "nova"},
        "instance-action": "none",
    }


def test_the_first_ec2_version_knows_no_zone_and_no_public_address():
    told = ec2.meta_data(subject(), "1.0")
    assert "placement" not in told
    assert "public-ipv4" not in told
    assert told["instance-id"] == "i-0000001a"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "meta-data/\nuser-data"),
        ("user-data", "#!/bin/sh\n"),
        ("meta-data/instance-id", "i-0000001a"),
        ("meta-data/public-keys", "0=mine"),
        ("meta-data/public-keys/0", "openssh-key"),
        ("meta-data/public-keys/0/openssh-key", KEY["data"]),
        ("meta-data/placement", "availability-zone"),
        ("meta-data/placement/availability-zone", "nova"),
        ("meta-data/security-groups", "default\nweb"),
        ("meta-data/block-device-mapping/root", "/dev/vda"),
    ],
)
def test_an_ec2_path_is_a_list_or_a_text(path, text):
    found = ec2.walk(ec2.tree(subject(), "2009-04-04"), [word for word in path.split("/") if word])
    assert ec2.text(found).decode() == text


def test_ec2_folders_are_listed_with_a_slash():
    listed = ec2.text(ec2.meta_data(subject(), "2009-04-04")).decode().split("\n")
    assert listed == sorted(listed)
    assert {"placement/", "public-keys/", "block-device-mapping/", "ami-id"} <= set(listed)


@pytest.mark.parametrize(
    "path", ["meta-data/nothing", "meta-data/ami-id/more", "meta-data/public-keys/0/_name"]
)
def test_an_ec2_path_that_leads_nowhere_is_nothing(path):
    assert ec2.walk(ec2.tree(subject(), "2009-04-04"), path.split("/")) is None


def test_the_config_drive_holds_both_trees_in_all_versions():
    files = dict(drive.files(subject()))
    assert json.loads(files["ec2/latest/meta-data.json"])["instance-id"] == "i-0000001a"
    assert files["ec2/2009-04-04/user-data"] == files["openstack/latest/user_data"] == b"#!/bin/sh\n"
    assert files["openstack/content/0000"] == b"hello"
    for version in (*openstack.VERSIONS, "latest"):
        assert json.loads(files[f"openstack/{version}/meta_data.json"])["uuid"] == SERVER["id"]
    assert "openstack/2013-10-17/vendor_data.json" in files
    assert "openstack/2013-04-04/vendor_data.json" not in files
    assert "openstack/2016-06-30/vendor_data2.json" not in files
    assert json.loads(files["openstack/latest/vendor_data2.json"]) == {"static": {}}
    assert not [path for path in files if path.startswith("ec2/2008") or path.endswith("password")]
    assert all(isinstance(content, bytes) for content in files.values())


def test_a_drive_without_user_data_has_no_file_for_it():
    assert not [path for path in dict(drive.files(subject(user_data=None))) if "user" in path]


def test_user_data_is_decoded_with_or_without_line_breaks():
    assert decoded("aGVs\nbG8=") == b"hello"
    assert decoded("not base64!") == b"not base64!"
