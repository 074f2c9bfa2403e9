"""Imports that are unpacked, converted and given properties; and images that are signed."""

from __future__ import annotations

import base64
import datetime
import gzip
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa

from monostack import testing
from monostack.image.signatures import CERTIFICATE, KIND, METHOD, VALUE

DATA = os.urandom(1 << 20)


@pytest.fixture(scope="module")
def shared_world(database: str) -> Iterator:
    from tests.conftest import World

    with testing.cloud(only=("identity", "image"), database=database) as cloud:
        yield World(cloud)


@pytest.fixture
def settings(world, monkeypatch):
    """Settings that last for a test."""

    def change(**values):
        for name, value in values.items():
            monkeypatch.setattr(world.cloud.settings.image, name, value)

    return change


def imported(api, make, data, **values):
    """An image that was staged and imported."""
    image = make(api, None, **values)["id"]
    octets = {"Content-Type": "application/octet-stream"}
    answer = api.put(f"/images/{image}/stage", content=data, headers=octets)
    assert answer.status_code == 204, answer.text
    answer = api.post(f"/images/{image}/import", json={"method": {"name": "glance-direct"}})
    assert answer.status_code == 202, answer.text
    for _ in range(300):
        found = api.get(f"/images/{image}").json()
        if "os_glance_import_task" not in found:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def message(api, image):
    return api.get(f"/images/{image['id']}/tasks").json()["tasks"][0]["message"]


def test_imports_are_unpacked(world, demo, make, settings):
    settings(import_plugins=("image_decompression",))
    image = imported(demo, make, gzip.compress(DATA))
    assert (image["status"], image["size"]) == ("active", len(DATA))
    assert demo.get(f"/images/{image['id']}/file").content == DATA
    image = imported(demo, make, DATA)
    assert demo.get(f"/images/{image['id']}/file").content == DATA
    packed = gzip.compress(DATA)
    image = imported(demo, make, packed, container_format="compressed")
    assert demo.get(f"/images/{image['id']}/file").content == packed
    image = imported(demo, make, gzip.compress(b"QFI\xfb\0\0\0\3" + b"\0" * 1000))
    assert image["status"] == "queued"
    assert "declared as raw" in message(demo, image)
    image = imported(demo, make, gzip.compress(b"\0" * (32 << 20)) * 20)
    assert "grow beyond" in message(demo, image)
    for _ in range(100):
        if len([each for each in (world.cloud.settings.state / "staging").rglob("*") if each.is_file()]) == 0:
            return
        time.sleep(0.05)
    raise AssertionError("something is left in the staging folder")


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs Debian's qemu-utils")
def test_imports_are_converted(demo, make, settings, tmp_path):
    settings(import_plugins=("image_decompression", "image_conversion"))
    (tmp_path / "raw").write_bytes(DATA)
    words = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", tmp_path / "raw", tmp_path / "qcow2"]
    subprocess.run(words, check=True)
    disk = (tmp_path / "qcow2").read_bytes()
    for data in (disk, gzip.compress(disk)):
        image = imported(demo, make, data, disk_format="qcow2")
        assert (image["status"], image["disk_format"], image["size"]) == ("active", "raw", len(DATA))
        assert demo.get(f"/images/{image['id']}/file").content == DATA
    image = imported(demo, make, b"no disk at all", disk_format="qcow2")
    assert (image["status"], image["disk_format"]) == ("queued", "qcow2")
    settings(image_conversion_output_format="qcow2")
    image = imported(demo, make, DATA)
    assert (image["disk_format"], image["virtual_size"]) == ("qcow2", len(DATA))


def test_properties_are_given_to_imports(admin, demo, make, settings):
    settings(import_plugins=("inject_image_metadata",), inject={"origin": "import", "count": 5})
    image = imported(demo, make, DATA, color="red")
    assert (image["origin"], image["count"], image["color"]) == ("import", "5", "red")
    assert "origin" not in imported(admin, make, DATA)
    assert "origin" not in make(demo)
    settings(inject_ignore_user_roles=("somebody",))
    assert imported(admin, make, DATA)["origin"] == "import"


# signatures


def key_of(kind):
    if kind == "RSA-PSS":
        return rsa.generate_private_key(65537, 2048)
    if kind == "DSA":
        return dsa.generate_private_key(2048)
    return ec.generate_private_key(getattr(ec, kind.removeprefix("ECC_"))())


def sign(key, kind, method, data):
    chosen = getattr(hashes, method.replace("-", ""))()
    if kind == "RSA-PSS":
        form = padding.PSS(padding.MGF1(chosen), padding.PSS.MAX_LENGTH)
        made = key.sign(data, form, chosen)
    else:
        made = key.sign(data, chosen) if kind == "DSA" else key.sign(data, ec.ECDSA(chosen))
    return base64.b64encode(made).decode()


def certificate(folder, key, days=(-1, 1), name=None):
    name, now = name or str(uuid.uuid4()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "images")])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return name


@pytest.fixture
def folder(tmp_path, settings):
    settings(certificates=str(tmp_path))
    return tmp_path


def signed(key, kind, method, name, data=DATA):
    return {VALUE: sign(key, kind, method, data), METHOD: method, KIND: kind, CERTIFICATE: name}


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("RSA-PSS", "SHA-256"),
        ("RSA-PSS", "SHA-512"),
        ("DSA", "SHA-224"),
        ("ECC_SECP384R1", "SHA-384"),
        ("ECC_SECP521R1", "SHA-512"),
    ],
)
def test_signed_data_become_an_image_and_others_do_not(demo, make, put, folder, kind, method):
    key = key_of(kind)
    properties = signed(key, kind, method, certificate(folder, key))
    assert make(demo, DATA, **properties)["status"] == "active"
    image = make(demo, None, **properties)["id"]
    answer = put(demo, image, DATA[:-1] + b"x")
    assert (answer.status_code, "Signature verification failed" in answer.json()["message"]) == (400, True)
    assert demo.get(f"/images/{image}").json()["status"] == "queued"
    assert put(demo, image, DATA).status_code == 204


def test_imports_are_verified_too(demo, make, folder):
    key = key_of("RSA-PSS")
    properties = signed(key, "RSA-PSS", "SHA-256", certificate(folder, key))
    assert imported(demo, make, DATA, **properties)["status"] == "active"
    image = imported(demo, make, DATA[::-1], **properties)
    assert image["status"] == "queued"
    assert "Signature verification failed" in message(demo, image)


def test_half_a_signature_is_none(demo, make, folder):
    assert make(demo, DATA, **{VALUE: "x", METHOD: "SHA-256"})["status"] == "active"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({METHOD: "MD5"}, METHOD),
        ({KIND: "RSA"}, KIND),
        ({KIND: "ECC_SECT571K1"}, KIND),
        ({KIND: "DSA"}, "no key of the type DSA"),
        ({KIND: "ECC_SECP384R1"}, "no key of the type"),
        ({VALUE: "no base64!"}, "base64"),
        ({VALUE: "AAAA"}, "failed"),
        ({METHOD: "SHA-512"}, "failed"),
        ({CERTIFICATE: str(uuid.uuid4())}, "cannot be found"),
        ({CERTIFICATE: "../../etc/passwd"}, "no uuid"),
    ],
)
def test_a_signature_that_cannot_hold_is_400(demo, make, put, folder, change, word):
    key = key_of("RSA-PSS")
    properties = signed(key, "RSA-PSS", "SHA-256", certificate(folder, key)) | change
    image = make(demo, None, **properties)["id"]
    answer = put(demo, image, DATA)
    assert (answer.status_code, word in answer.json()["message"]) == (400, True), answer.text


def test_certificates_must_be_valid_and_readable(demo, make, put, folder, settings):
    key = key_of("RSA-PSS")
    late = certificate(folder, key, days=(-9, -1))
    broken = str(uuid.uuid4())
    (folder / f"{broken}.pem").write_text("no certificate")
    for name, word in ((late, "not valid now"), (broken, "cannot be read")):
        image = make(demo, None, **signed(key, "RSA-PSS", "SHA-256", name))["id"]
        answer = put(demo, image, DATA)
        assert (answer.status_code, word in answer.json()["message"]) == (400, True), answer.text
    settings(certificates="")
    image = make(demo, None, **signed(key, "RSA-PSS", "SHA-256", late))["id"]
    assert "keeps no certificates" in put(demo, image, DATA).json()["message"]
