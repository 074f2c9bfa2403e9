"""Prepare a workspace in which tempest judges a running cloud.

    .tempest/bin/python tools/tempest_workspace.py --clouds DIR/clouds.yaml --out FOLDER [--set NAME=VALUE]

Tempest takes for granted that a cloud has images, small flavors, the role `member` and an external network.
The images are made here where they are missing; the rest a new cloud has. Everything else that tempest must
be told is written to FOLDER/etc/tempest.conf. docs/CONFORMANCE.md says what to run then.

`raw` is the first of the formats, since tempest declares what lies in the web as raw, or as the first format.

Run it with the Python of the environment in which tempest and openstacksdk are installed.
"""

from __future__ import annotations

import argparse
import configparser
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from monostack.cli.demo import empty_qcow2  # noqa: E402

IMAGES = ("tempest-1", "tempest-2")
SIZE = 1 << 20
REMOTE = "image_remote"
FORMATS = (
    ("qcow2", "qcow2", (), True),
    ("vmdk-sparse", "vmdk", (), True),
    ("vdi", "vdi", (), True),
    ("vhd", "vpc", (), True),
    ("vhdx", "vhdx", (), True),
    ("raw", "raw", (), True),
    ("qcow2-backing-file", "qcow2", ("-F", "qcow2", "-b", "qcow2"), False),
    ("qcow2-data-file", "qcow2", ("-o", "data_file=data,data_file_raw=on"), False),
    ("vmdk-flat", "vmdk", ("-o", "subformat=monolithicFlat"), False),
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Prepare a workspace in which tempest judges a cloud.")
    parser.add_argument("--clouds", type=Path, required=True, help="the clouds.yaml of `monostack up`")
    parser.add_argument("--cloud", default="monostack", help="which of its entries is the administrator's")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the workspace")
    parser.add_argument("--image", help="a bootable qcow2: guests are logged in to")
    parser.add_argument("--user", default="cloud", help="who logs in to guests of --image")
    parser.add_argument("--web", default="127.0.0.1:18099", help="where FOLDER/www will be served")
    parser.add_argument("--second", metavar="URL", help="the image service in another process of the cloud")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.OPTION=VALUE")
    return parser.parse_args()


def image_ids(connection, file: str | None) -> list[str]:
    """Two images that servers can be made of."""
    found = {image.name: image.id for image in connection.image.images()}
    if file:
        name = Path(file).name
        made = (
            found.get(name)
            or connection.create_image(
                name,
                filename=file,
                disk_format="qcow2",
                container_format="bare",
                wait=True,
                visibility="public",
            ).id
        )
        return [made, made]
    for name in IMAGES:
        if name not in found:
            made = connection.create_image(
                name, data=b"\0" * SIZE, disk_format="raw", container_format="bare", visibility="public"
            )
            found[name] = made.id
    return [found[name] for name in IMAGES]


def flavor_ids(connection) -> list[str]:
    """The two smallest flavors."""
    smallest = sorted(connection.compute.flavors(), key=lambda flavor: (flavor.ram, flavor.disk))
    return [flavor.id for flavor in smallest[:2]]


def second_image_service(connection, url: str) -> None:
    """Put the second process in the catalogue, under the name that tempest is told."""
    for service in connection.identity.services(type=REMOTE):
        connection.identity.delete_service(service)
    service = connection.identity.create_service(name=REMOTE, type=REMOTE)
    for interface in ("public", "internal", "admin"):
        connection.identity.create_endpoint(
            service_id=service.id,
            interface=interface,
            url=url,
            region_id=connection.config.region_name,
        )


def format_files(folder: Path) -> Path:
    """Small images of every format, usable ones and such as must be refused, and the list of them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["images:"]
    for name, made_as, extra, usable in FORMATS:
        command = ["qemu-img", "create", "-q", "-f", made_as, *extra, name, "1M"]
        subprocess.run(command, cwd=folder, check=True)
        disk_format = "vhd" if made_as == "vpc" else made_as
        lines.append(
            f"- {{name: {name}, format: {disk_format}, filename: {name}, usable: {str(usable).lower()}}}"
        )
    manifest = folder / "manifest.yaml"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


def options(connection, images: list[str], real: bool, user: str, web: str) -> dict[str, dict[str, object]]:
    auth = connection.config.auth
    network = next(iter(connection.network.networks(is_router_external=True)))
    extensions = ",".join(extension.alias for extension in connection.network.extensions())
    image, image_alt = images
    flavor, flavor_alt = flavor_ids(connection)
    return {
        "auth": {
            "use_dynamic_credentials": "true",
            "create_isolated_networks": "true",
            "tempest_roles": "member",
            "default_credentials_domain_name": "Default",
            "admin_username": auth["username"],
            "admin_password": auth["password"],
            "admin_project_name": auth["project_name"],
            "admin_domain_name": "Default",
            "admin_system": "all",
        },
        "identity": {
            "auth_version": "v3",
            "uri_v3": auth["auth_url"],
            "region": connection.config.region_name,
            "v3_endpoint_type": "public",
            "default_domain_id": "default",
        },
        "identity-feature-enabled": {
            "api_v2": "false",
            "trust": "true",
            "access_rules": "true",
            "domain_specific_drivers": "true",
        },
        "enforce_scope": dict.fromkeys(("keystone", "nova", "neutron", "glance", "placement"), "true"),
        "service_available": {"cinder": "false", "swift": "false", "horizon": "false"},
        "compute": {
            "image_ref": image,
            "image_ref_alt": image_alt,
            "flavor_ref": flavor,
            "flavor_ref_alt": flavor_alt,
            "max_microversion": "2.100",
            "build_timeout": 150 if real else 40,
        },
        "compute-feature-enabled": {
            "resize": "false",
            "shelve_migrate": "false",
            "vnc_console": "false",
            "disk_config": "true",
            "swap_volume": "false",
        },
        "validation": {
            "run_validation": str(real).lower(),
            "connect_method": "floating",
            "image_ssh_user": user,
            "image_alt_ssh_user": user,
        },
        "image": {
            "http_image": f"http://{web}/tempest.raw",
            "http_qcow2_image": f"http://{web}/tempest.img",
            "disk_formats": "raw,qcow2,ami,ari,aki,vhd,vmdk,vdi,iso,vhdx",
            "image_caching_enabled": "true",
        },
        "image-feature-enabled": {"import_image": "true", "os_glance_reserved": "true"},
        "network": {
            "public_network_id": network.id,
            "floating_network_name": network.name,
            "project_network_cidr": "10.100.0.0/16",
            "project_network_mask_bits": 28,
        },
        "network-feature-enabled": {"api_extensions": extensions, "ipv6_subnet_attributes": "true"},
        "placement": {"max_microversion": "latest"},
    }


def main() -> None:
    asked = arguments()
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(asked.clouds)
    import openstack

    connection = openstack.connect(cloud=asked.cloud)
    out = asked.out.resolve()
    for folder in ("etc", "logs", "locks", "www"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    tree = options(connection, image_ids(connection, asked.image), bool(asked.image), asked.user, asked.web)
    if asked.second:
        second_image_service(connection, asked.second)
        tree["image"]["alternate_image_endpoint"] = REMOTE
    if shutil.which("qemu-img"):
        tree["image"]["images_manifest_file"] = format_files(out / "formats")
    tree["DEFAULT"] = {"log_dir": out / "logs", "log_file": "tempest.log"}
    tree["oslo_concurrency"] = {"lock_path": out / "locks"}
    for word in asked.set:
        name, _, value = word.partition("=")
        section, _, option = name.partition(".")
        tree.setdefault(section, {})[option] = value
    written = configparser.ConfigParser(interpolation=None)
    written.read_dict({section: {k: str(v) for k, v in values.items()} for section, values in tree.items()})
    file = out / "etc" / "tempest.conf"
    with open(file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as config:
        written.write(config)
    (out / "www" / "tempest.img").write_bytes(empty_qcow2(SIZE))
    (out / "www" / "tempest.raw").write_bytes(b"\0" * SIZE)
    tempest = Path(importlib.util.find_spec("tempest").origin).parent
    grouping = r"([^\.]*\.)*"
    words = f"[DEFAULT]\ntest_path={tempest}/test_discover\ntop_dir={tempest}\ngroup_regex={grouping}\n"
    (out / ".stestr.conf").write_text(words)
    print(f"{file} is written. Then: cd {out} && TEMPEST_CONFIG_DIR=etc stestr run --concurrency 2 smoke")


if __name__ == "__main__":
    main()
