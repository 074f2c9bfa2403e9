"""The look into an image's data: what each format is recognised by, its virtual size, and what is refused."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import uuid

import pytest

from monostack.image.formats import HEAD, Inspector, Refused

MIB = 1 << 20


def look(data: bytes, disk_format: str, container_format: str = "bare", piece: int = 65536) -> int | None:
    """The virtual size of the data, fed in pieces."""
    inspector = Inspector(disk_format, container_format)
    for start in range(0, len(data), piece):
        inspector.feed(data[start : start + piece])
    return inspector.finish()


def refusal(data: bytes, disk_format: str) -> str:
    with pytest.raises(Refused) as caught:
        look(data, disk_format)
    return str(caught.value)


# headers, made by hand


def vmdk(descriptor: str = "", capacity=2048, offset=1, size=20, directory=21, version=1) -> bytes:
    descriptor = descriptor or vmdk_descriptor()
    head = struct.pack(
        "<4sIIQQQQIQQQ", b"KDMV", version, 3, capacity, 128, offset, size, 512, 0, directory, 128
    )
    return head.ljust(512, b"\0") + descriptor.encode().ljust(20 * 512, b"\0") + b"\0" * 65536


def vmdk_descriptor(
    kind="monolithicSparse", extents='RW 2048 SPARSE "disk.vmdk"', parent="ffffffff", more=""
) -> str:
    return (
        f"# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID={parent}\n{more}"
        f'createType="{kind}"\n\n# Extent description\n{extents}\n'
    )


def vhd(kind=3, size=10 * MIB) -> bytes:
    footer = struct.pack(
        ">8sIIQI4sI4sQQIIi", b"conectix", 2, 0x10000, 512, 0, b"qemu", 0, b"Wi2k", size, size, 0, kind, 0
    )
    return footer.ljust(512, b"\0")


def vhdx(size=10 * MIB, parent=False, locator=False, offset=2 * MIB, region=True) -> bytes:
    data = bytearray(offset + MIB)
    data[0:8] = b"vhdxfile"
    for table in (192 << 10, 256 << 10):
        struct.pack_into("<4sIII", data, table, b"regi", 0, 1 if region else 0, 0)
        name = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
        struct.pack_into("<16sQII", data, table + 16, name, offset, MIB, 1)
    items = [
        ("caa16737-fa36-4d43-b3b6-33f0aa44e76b", 65536, 8),
        ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", 65544, 8),
    ]
    if locator:
        items.append(("a8d35f2d-b30b-454d-abf7-d3d84834ab0c", 65552, 20))
    struct.pack_into("<8sHH", data, offset, b"metadata", 0, len(items))
    for number, (name, at, length) in enumerate(items):
        struct.pack_into("<16sIII", data, offset + 32 + 32 * number, uuid.UUID(name).bytes_le, at, length, 0)
    struct.pack_into("<IIQ", data, offset + 65536, MIB, 2 if parent else 0, size)
    return bytes(data)


def vdi(kind=1, size=10 * MIB) -> bytes:
    data = bytearray(1024)
    data[0:39] = b"<<< Oracle VM VirtualBox Disk Image >>>"
    struct.pack_into("<4sIII", data, 0x40, b"\x7f\x10\xda\xbe", 0x10001, 400, kind)
    struct.pack_into("<Q", data, 0x170, size)
    return bytes(data)


def iso(blocks=100, before: bytes = b"") -> bytes:
    data = bytearray(40960)
    data[: len(before)] = before
    data[32768:32775] = b"\x01CD001\x01"
    struct.pack_into("<I", data, 32768 + 80, blocks)
    struct.pack_into("<H", data, 32768 + 128, 2048)
    return bytes(data)


GPT = b"\0" * 510 + b"\x55\xaaEFI PART" + b"\0" * 4096


@pytest.mark.parametrize(
    ("data", "disk_format", "size"),
    [
        (vmdk(), "vmdk", MIB),
        (vmdk(vmdk_descriptor("streamOptimized")), "vmdk", MIB),
        (vhd(), "vhd", 10 * MIB),
        (b"\0" * MIB + vhd(kind=2, size=MIB), "vhd", MIB),
        (vhdx(), "vhdx", 10 * MIB),
        (vhdx(offset=MIB), "vhdx", 10 * MIB),
        (vhdx(offset=5 * MIB), "vhdx", 10 * MIB),
        (vdi(), "vdi", 10 * MIB),
        (vdi(kind=2), "vdi", 10 * MIB),
        (iso(), "iso", 204800),
        (iso(before=GPT[:4096]), "iso", 204800),
        (iso(), "raw", 40960),
        (b"", "raw", 0),
        (b"x", "raw", 1),
        (GPT, "raw", len(GPT)),
        (b"LUKS\xba\xbe" + b"\0" * 600, "raw", 606),
        (b"kernel", "aki", 6),
        (b"WithoutFreeSpace" + b"\0" * 100, "ploop", None),
    ],
)
@pytest.mark.parametrize("piece", [100, 65536, 3 * MIB])
def test_what_is_declared_rightly_is_taken_however_it_is_cut(data, disk_format, size, piece):
    assert look(data, disk_format, piece=piece) == size


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (vmdk(vmdk_descriptor("monolithicFlat", 'RW 2048 FLAT "/etc/shadow" 0')), "monolithicFlat"),
        (vmdk(vmdk_descriptor(extents='RW 2048 FLAT "/etc/shadow" 0')), "extents"),
        (vmdk(vmdk_descriptor(extents='RW 2048 SPARSE "/etc/shadow"')), "extents"),
        (vmdk(vmdk_descriptor(extents='RW 1 SPARSE "a.vmdk"\nRW 1 SPARSE "b.vmdk"')), "extents"),
        (vmdk(vmdk_descriptor(extents="")), "extents"),
        (vmdk(vmdk_descriptor(parent="12345678")), "parent"),
        (vmdk(vmdk_descriptor(more='parentFileNameHint="/etc/shadow"\n')), "parent"),
        (vmdk("nothing"), "unknown"),
        (vmdk(capacity=0), "capacity"),
        (vmdk(offset=0), "no descriptor"),
        (vmdk(size=1 << 40), "no descriptor"),
        (vmdk(offset=1 << 40), "no descriptor"),
        (vmdk(version=9), "version 9"),
        (vmdk(directory=2**64 - 1), "footer"),
        (vmdk_descriptor(extents='RW 1 FLAT "/etc/shadow" 0').encode(), "descriptor without data"),
        (b'\n# comment\n\nversion=1\nRW 1 FLAT "/etc/shadow" 0\n', "descriptor without data"),
        (b"COWD" + b"\0" * 2048, "old kind"),
        (b"KDMV", "cut off"),
    ],
)
def test_hostile_vmdks_are_refused(data, words):
    assert words in refusal(data, "vmdk")


@pytest.mark.parametrize(
    ("data", "disk_format", "words"),
    [
        (vhd(kind=4), "vhd", "differencing"),
        (vhd(kind=9), "vhd", "unknown kind 9"),
        (b"conectix", "vhd", "cut off"),
        (vhdx(parent=True), "vhdx", "differencing"),
        (vhdx(locator=True), "vhdx", "differencing"),
        (vhdx(region=False), "vhdx", "no region table"),
        (vhdx()[:MIB], "vhdx", "metadata are damaged"),
        (b"vhdxfile", "vhdx", "no region table"),
        (vhdx(size=1 << 63), "vhdx", "larger than any"),
        (vdi(kind=4), "vdi", "no other file"),
        (vdi()[:200], "vdi", "cut off"),
        (iso()[:33000], "iso", "not complete"),
        (b"QED\0" + b"\0" * 1000, "qcow2", "data are qed"),
        (b"QED\0" + b"\0" * 1000, "raw", "data are qed"),
        (vhd(), "raw", "data are vhd"),
        (vdi(), "raw", "data are vdi"),
        (b"\0" * MIB + vhd(kind=2), "raw", "data are vhd"),
        (vhdx(), "qcow2", "data are vhdx"),
        (iso(before=b"QFI\xfb"), "iso", "data are qcow2"),
        (GPT, "iso", "raw (gpt)"),
        (b"", "qcow2", "no partition table"),
    ],
)
def test_other_hostile_or_lying_data_are_refused(data, disk_format, words):
    assert words in refusal(data, disk_format)


def test_a_stream_whose_footer_tells_another_story_is_refused():
    end = vmdk(capacity=1 << 30)[:512]
    data = vmdk(vmdk_descriptor("streamOptimized"), directory=2**64 - 1) + b"\0" * 512 + end + b"\0" * 512
    assert "footer" in refusal(data, "vmdk")
    true = vmdk(vmdk_descriptor("streamOptimized"), directory=2**64 - 1)
    assert look(true + b"\0" * 512 + true[:512] + b"\0" * 512, "vmdk") == MIB


def test_archives_are_not_looked_into():
    assert look(vmdk("nothing"), "vmdk", container_format="ova") is None


def test_memory_is_bounded_however_much_comes():
    inspector = Inspector("raw", "bare")
    piece = b"\0" * MIB
    for _ in range(64):
        inspector.feed(piece)
    assert len(inspector.head) == HEAD
    assert len(inspector.tail) < 4096
    assert inspector.finish() == 64 * MIB


def test_garbage_after_a_magic_is_refused_or_sized_and_never_an_accident():
    """What an attacker may write into a header never ends in anything but a size or a refusal."""
    dice = random.Random(11)
    starts = {
        "qcow2": b"QFI\xfb\0\0\0\x03",
        "vmdk": b"KDMV\x01\0\0\0",
        "vhd": b"conectix",
        "vhdx": b"vhdxfile",
        "vdi": b"\0" * 64 + b"\x7f\x10\xda\xbe",
        "iso": b"",
    }
    for _ in range(300):
        name = dice.choice(list(starts))
        data = bytearray(starts[name] + dice.randbytes(dice.choice((10, 600, 5000, 300_000))))
        if name == "vhdx" and len(data) > 262200:
            data[262144:262148] = b"regi"
        try:
            size = look(bytes(data), name)
        except Refused:
            continue
        assert size is None or 0 <= size < 1 << 63


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed (Debian: qemu-utils)")
@pytest.mark.parametrize(
    ("made", "options", "disk_format"),
    [
        ("qcow2", [], "qcow2"),
        ("qcow2", ["-o", "compat=0.10"], "qcow2"),
        ("qcow2", ["-o", "cluster_size=2M,extended_l2=on"], "qcow2"),
        ("vmdk", [], "vmdk"),
        ("vmdk", ["-o", "subformat=streamOptimized"], "vmdk"),
        ("vpc", ["-o", "force_size"], "vhd"),
        ("vpc", ["-o", "subformat=fixed,force_size"], "vhd"),
        ("vhdx", [], "vhdx"),
        ("vdi", [], "vdi"),
    ],
)
def test_what_qemu_makes_is_taken_with_its_size(tmp_path, made, options, disk_format):
    source, image = tmp_path / "source", tmp_path / "image"
    source.write_bytes(random.Random(1).randbytes(3 * MIB) + b"\0" * (5 * MIB))
    subprocess.run(
        ["qemu-img", "convert", "-f", "raw", "-O", made, *options, source, image], check=True, timeout=60
    )
    assert look(image.read_bytes(), disk_format) == 8 * MIB


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed (Debian: qemu-utils)")
@pytest.mark.parametrize(
    ("made", "options", "words"),
    [
        ("qcow2", ["-b", "/etc/hostname", "-F", "raw"], "backing file"),
        ("qcow2", ["-o", "data_file=data.raw"], "another file"),
        ("vmdk", ["-o", "subformat=monolithicFlat"], "descriptor without data"),
    ],
)
def test_what_qemu_makes_to_need_other_files_is_refused(tmp_path, made, options, words):
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", made, *options, "image", "8M"],
        check=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert words in refusal((tmp_path / "image").read_bytes(), made)
