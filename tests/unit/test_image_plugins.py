"""What is done to imported data: unpacking with bounds, converting in a bounded program."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import struct
import subprocess
import zipfile
from io import BytesIO
from types import SimpleNamespace

import pytest

from monostack.image.formats import Refused
from monostack.image.plugins import conversion, decompression

DATA = os.urandom(100_000) * 3


def zipped(**files):
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def unpack(tmp_path, data, most=1 << 30, ratio=200):
    (tmp_path / "source").write_bytes(data)
    made = decompression.decompress(tmp_path / "source", tmp_path / "target", most, ratio)
    return (tmp_path / "target").read_bytes() if made else None


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, lambda data: zipped(**{"../../etc/passwd": data})]
)
@pytest.mark.parametrize("data", [DATA, b""])
def test_compressed_data_are_unpacked(tmp_path, pack, data):
    assert unpack(tmp_path, pack(data)) == data
    assert sorted(each.name for each in tmp_path.iterdir()) == ["source", "target"]


def test_streams_one_after_the_other_are_one(tmp_path):
    assert unpack(tmp_path, gzip.compress(DATA) + gzip.compress(b"more")) == DATA + b"more"


@pytest.mark.parametrize("data", [DATA, b"", b"P", b"\x1f\x8b"])
def test_other_data_are_left_alone(tmp_path, data):
    assert unpack(tmp_path, data) is None


BOMB = b"\0" * (64 << 20)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, lambda data: zipped(a=data)])
def test_bombs_are_refused_before_they_are_large(tmp_path, pack):
    packed = pack(BOMB)
    for bounds in ({"most": 10 << 20}, {"ratio": 5}):
        with pytest.raises(Refused, match="grow beyond"):
            unpack(tmp_path, packed, **bounds)
        target = tmp_path / "target"
        assert not target.exists() or target.stat().st_size <= 10 << 20


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(DATA)[:-20],
        gzip.compress(DATA)[:50] + b"x" * 50,
        bz2.compress(DATA)[:-20],
        lzma.compress(DATA)[:-20],
        lzma.compress(DATA) + b"more",
        b"\xfd7zXZ\x00" + b"x" * 100,
        b"PK\x03\x04" + b"x" * 100,
        zipped(a=b"1", b=b"2"),
        zipped(**{"folder/": b""}),
        zipped(a=DATA)[:-40],
    ],
    ids=range(10),
)
def test_broken_data_are_refused_in_words(tmp_path, data):
    with pytest.raises(Refused):
        unpack(tmp_path, data)


def test_a_header_that_asks_for_gigabytes_is_refused(tmp_path):
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20}]
    with pytest.raises(Refused):
        unpack(tmp_path, lzma.compress(b"x", filters=filters))


# conversion

needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs Debian's qemu-utils")
CLOUD = SimpleNamespace(settings=SimpleNamespace(image=SimpleNamespace(max_bytes=1 << 30)))


def disk(tmp_path, kind, size="8M"):
    path = tmp_path / f"disk.{kind}"
    raw = tmp_path / "raw"
    raw.write_bytes(DATA.ljust(8 << 20, b"\0"))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, raw, path], check=True)
    return path


async def convert(tmp_path, source, kind, wanted="raw", container="bare"):
    image = {"disk_format": kind, "container_format": container}
    target = tmp_path / "target"
    return target if await conversion.convert(CLOUD, image, source, target, wanted) else None


@needs_qemu
@pytest.mark.parametrize(
    ("kind", "qemu"), [("qcow2", "qcow2"), ("vhdx", "vhdx"), ("vdi", "vdi"), ("vhd", "vpc")]
)
async def test_disks_become_raw(tmp_path, kind, qemu):
    target = await convert(tmp_path, disk(tmp_path, qemu), kind)
    assert target.read_bytes()[: len(DATA)] == DATA


@needs_qemu
@pytest.mark.parametrize("wanted", ["qcow2", "vmdk"])
async def test_raw_becomes_other_formats(tmp_path, wanted):
    (tmp_path / "disk").write_bytes(DATA.ljust(1 << 20, b"\0"))
    target = await convert(tmp_path, tmp_path / "disk", "raw", wanted)
    told = subprocess.run(["qemu-img", "info", target], capture_output=True, text=True, check=True).stdout
    assert f"file format: {wanted}" in told


async def test_what_is_there_already_and_isos_stay(tmp_path):
    assert await convert(tmp_path, tmp_path / "nothing", "raw") is None
    assert await convert(tmp_path, tmp_path / "nothing", "iso") is None


@pytest.mark.parametrize(("kind", "container"), [("ploop", "bare"), ("qcow2", "ova"), ("ami", "ami")])
async def test_what_cannot_be_converted_is_refused(tmp_path, kind, container):
    with pytest.raises(Refused, match="cannot be converted"):
        await convert(tmp_path, tmp_path / "nothing", kind, container=container)


@needs_qemu
async def test_a_disk_that_would_become_too_large_is_refused(tmp_path):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "disk", "900G"], check=True)
    with pytest.raises(Refused, match="at most"):
        await convert(tmp_path, tmp_path / "disk", "qcow2")


async def test_a_disk_that_names_another_file_never_reaches_the_program(tmp_path, monkeypatch):
    monkeypatch.setattr(conversion.shutil, "which", lambda name: pytest.fail("the program was looked for"))
    (tmp_path / "disk").write_bytes(
        struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 1024, 8, 16, 1 << 20).ljust(65536, b"\0")
    )
    with pytest.raises(Refused, match="backing file"):
        await convert(tmp_path, tmp_path / "disk", "qcow2")


@needs_qemu
async def test_a_broken_disk_is_told_without_the_places_of_files(tmp_path):
    path = disk(tmp_path, "qcow2")
    data = bytearray(path.read_bytes())
    data[65536 * 3 :] = os.urandom(len(data) - 65536 * 3)
    path.write_bytes(data[: 65536 * 4])
    with pytest.raises(Refused) as caught:
        await convert(tmp_path, path, "qcow2")
    assert str(tmp_path) not in str(caught.value)


@needs_qemu
async def test_a_conversion_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(conversion, "SECONDS", 0)
    with pytest.raises(Refused, match="took more than"):
        await convert(tmp_path, disk(tmp_path, "qcow2"), "qcow2")
