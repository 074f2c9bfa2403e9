"""The small Linux guest that a cloud can be tried with, built on the spot out of Debian's own packages.

A cloud without an image is of no use, and the images that others offer are downloads of foreign machines,
too big and too slow for an emulated processor. So the program builds its own: Debian's cloud kernel
(fetched by apt, not installed), the static busybox and dropbear of this machine, and the few scripts in
the folder `guest`. It answers what a cloud asks of a guest: it reads the config drive or else the
metadata service, takes name and keys, runs the user's script, fills its disk, has a login on the serial
line and on the screen, goes off at the power button.

Nothing here needs root, a loop device or a mount: the file systems are written by mke2fs and mtools, the
partition table and the first memory disk by this module. What was measured when it was made fast: of six
seconds on an emulated processor the kernel took two; the rest was the user space of an earlier try, which
searched for modules, made a host key and asked the network before it offered the login.

The partition of the root is entered with the greatest size a table of this kind can hold. The kernel cuts
it at the end of the disk (block/partitions of Linux), so a disk of any size is filled without rewriting
the table.

Sources: Linux, Documentation/driver-api/early-userspace/buffer-format (the archive), the MBR as every
BIOS reads it.
"""

import hashlib
import os
import re
import shutil
import stat
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

FILES = Path(__file__).parent / "guest"
KERNEL = "linux-image-cloud-amd64"
MASTER_BOOT_RECORD = Path("/usr/lib/syslinux/mbr/mbr.bin")

# What has to be on this machine: the program or file, and the package of Debian that brings it.
TOOLS = (
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
    ("busybox", "busybox-static"),
    ("dropbear", "dropbear-bin"),
    ("dropbearkey", "dropbear-bin"),
    ("dbclient", "dropbear-bin"),
    ("mke2fs", "e2fsprogs"),
    ("debugfs", "e2fsprogs"),
    ("resize2fs", "e2fsprogs"),
    ("mkfs.vfat", "dosfstools"),
    ("mcopy", "mtools"),
    ("syslinux", "syslinux"),
    ("qemu-img", "qemu-utils"),
    (str(MASTER_BOOT_RECORD), "syslinux-common"),
)

# Modules of the kernel: those that the first memory disk loads, those that can wait for the login prompt, and
# those that can wait for everything else.
EARLY = ("virtio_pci", "virtio_blk", "virtio_net")
SOON = ("button", "evdev", "virtio-rng")
LATER = ("isofs", "vfat", "nls_cp437", "nls_ascii", "virtio_scsi", "sd_mod", "virtio_balloon", "8021q")

MEBIBYTE = 1024 * 1024
BOOT_START, BOOT_SIZE, ROOT_SIZE = 1, 22, 24  # in MiB; the root follows the boot partition
COMMAND_LINE = (
    "console=tty0 console=ttyS0,115200 quiet net.ifnames=0 panic=5 mitigations=off no_timer_check "
    "tsc=reliable random.trust_cpu=on nowatchdog audit=0 apparmor=0"
)
MENU = f"""\
PROMPT 0
DEFAULT linux
LABEL linux
LINUX /vmlinuz
INITRD /initrd
APPEND {COMMAND_LINE}
"""
FOLDERS = (
    "bin",
    "dev",
    "etc/acpi/PWRF",
    "etc/dropbear",
    "home/cloud",
    "lib/modules/later",
    "lib/modules/soon",
    "lib64",
    "mnt",
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "tmp",
    "usr/bin",
    "usr/sbin",
    "usr/share",
    "var/lib/cloud",
    "var/log",
)
# Applets of busybox that people look for in /sbin, and those that the guest is better off without.
SYSTEM_APPLETS = frozenset(
    [
        "acpid",
        "blockdev",
        "getty",
        "halt",
        "ifconfig",
        "insmod",
        "ip",
        "mdev",
        "modprobe",
        "poweroff",
        "reboot",
        "rmmod",
        "route",
        "udhcpc",
    ]
)
LEFT_OUT = frozenset(["busybox", "dpkg", "dpkg-deb", "init", "linuxrc", "mke2fs", "rpm", "rpm2cpio"])
# What lets everybody's busybox open raw sockets, for ping: CAP_NET_RAW, permitted and effective (see
# capabilities(7), "File capability extended attribute versioning", version 2).
RAW_SOCKETS = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
PASSWORD = "gocloudgo"
PASSWORD_SALT = "monostack"


class BuildError(Exception):
    """The image could not be built; the words say which step failed and what it said."""


def missing_tools() -> list[tuple[str, str]]:
    """What this machine lacks for building: the tool, and the Debian package that brings it."""
    return [(tool, package) for tool, package in TOOLS if _find(tool) is None]


def build(out: Path, cache: Path, progress: Callable[[str], None] = lambda words: None) -> Path:
    """Put the image at `out` (a qcow2 file) and return that path; the work is done once per set of inputs."""
    missing = missing_tools()
    if missing:
        packages = sorted({package for _, package in missing})
        raise BuildError(
            f"The guest image needs {', '.join(tool for tool, _ in missing)}. "
            f"On Debian: apt-get install {' '.join(packages)}"
        )
    cache.mkdir(parents=True, exist_ok=True)
    kernel = _kernel_package()
    ready = cache / f"guest-{_fingerprint(kernel)}.qcow2"
    if not ready.exists():
        with tempfile.TemporaryDirectory(prefix="guest-", dir=cache) as folder:
            _build(Path(folder), cache, kernel, ready, progress)
        for old in cache.glob(f"guest-{'[0-9a-f]' * 16}.qcow2"):
            if old != ready:
                old.unlink(missing_ok=True)
    if out.resolve() != ready.resolve():
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = out.with_name(out.name + ".new")
        shutil.copyfile(ready, unfinished)
        unfinished.replace(out)
    progress(f"The guest image is ready: {out}")
    return out


def _build(work: Path, cache: Path, kernel: str, ready: Path, progress: Callable[[str], None]) -> None:
    progress(f"Fetching the kernel {kernel}")
    files = _unpack_kernel(work, cache, kernel)
    release = kernel.partition("=")[0].removeprefix("linux-image-")
    modules = {path.stem: path for path in (files / "lib/modules" / release).rglob("*.ko")}

    progress("Writing the memory disk")
    memory_disk = work / "initrd"
    memory_disk.write_bytes(_memory_disk(modules))

    progress("Writing the root file system")
    root = _root_file_system(work, modules)

    progress("Putting the disk together")
    disk = _disk(work, files / "boot" / f"vmlinuz-{release}", memory_disk, root)
    unfinished = ready.with_suffix(f".{os.getpid()}")
    _run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", str(disk), str(unfinished))
    unfinished.replace(ready)


# The kernel.


def _kernel_package() -> str:
    """The newest cloud kernel that apt knows, as `name=version`."""
    architecture = _run("dpkg", "--print-architecture").strip()
    if architecture != "amd64":
        raise BuildError(f"The guest image is built for amd64 only; this machine is {architecture}.")
    shown = _run("apt-cache", "show", "--no-all-versions", KERNEL)
    depends = re.search(r"^Depends: (linux-image-\S+)(?: \(= ([^)]+)\))?", shown, re.MULTILINE)
    if depends is None:
        raise BuildError(f"apt knows no package {KERNEL}. Refresh its lists: apt-get update")
    return f"{depends[1]}={depends[2]}" if depends[2] else depends[1]


def _unpack_kernel(work: Path, cache: Path, kernel: str) -> Path:
    name = kernel.partition("=")[0]
    package = cache / (kernel.replace("=", "_").replace(":", "%3a") + ".deb")
    if not package.exists():
        download = work / "download"
        download.mkdir()
        _run("apt-get", "download", "-qq", kernel, folder=download)
        fetched = next(iter(download.glob("*.deb")), None)
        if fetched is None:
            raise BuildError(f"apt-get download {name} left no file behind.")
        shutil.move(fetched, package)
    target = work / "kernel"
    _run("dpkg-deb", "-x", str(package), str(target))
    return target


def _in_order(names: Iterable[str], modules: dict[str, Path]) -> list[Path]:
    """The modules and what they depend on, each after what it needs.

    A module says itself what it depends on, in its section .modinfo.
    """
    ordered: list[Path] = []

    def add(name: str) -> None:
        path = modules.get(name) or modules.get(name.replace("_", "-")) or modules.get(name.replace("-", "_"))
        if path is None or path in ordered:
            return
        for entry in path.read_bytes().split(b"\0"):
            if entry.startswith(b"depends="):
                for needed in entry[8:].decode().split(","):
                    if needed:
                        add(needed)
        ordered.append(path)

    for name in names:
        add(name)
    return ordered


# The first memory disk.


def _memory_disk(modules: dict[str, Path]) -> bytes:
    early = _in_order(EARLY, modules)
    archive = bytearray()
    for folder in ("bin", "modules", "dev", "proc", "sys", "root"):
        archive += _archived(folder, stat.S_IFDIR | 0o755, b"")
    archive += _archived("dev/console", stat.S_IFCHR | 0o600, b"", device=(5, 1))
    archive += _archived("bin/busybox", stat.S_IFREG | 0o755, _busybox().read_bytes())
    archive += _archived("bin/sh", stat.S_IFLNK | 0o777, b"busybox")
    archive += _archived("init", stat.S_IFREG | 0o755, (FILES / "init").read_bytes())
    archive += _archived("modules/early", stat.S_IFREG | 0o644, _order(early))
    for path in early:
        archive += _archived(f"modules/{path.name}", stat.S_IFREG | 0o644, path.read_bytes())
    archive += _archived("TRAILER!!!", 0, b"")
    return bytes(archive)


def _archived(name: str, mode: int, content: bytes, device: tuple[int, int] = (0, 0)) -> bytes:
    """One member of a cpio archive in the "newc" format: 13 numbers in hex, the name, the content."""
    numbers = (
        int.from_bytes(hashlib.sha256(name.encode()).digest()[:3], "big"),  # inode
        mode,
        0,
        0,
        1,
        0,
        len(content),
        0,
        0,
        *device,
        len(name) + 1,
        0,
    )
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def _order(paths: list[Path]) -> bytes:
    return "".join(f"{path.name}\n" for path in paths).encode()


# The root file system.


def _root_file_system(work: Path, modules: dict[str, Path]) -> Path:
    root = work / "root"
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    _copy_programs(root)
    loaded = _in_order(EARLY, modules)
    for folder, names in (("soon", SOON), ("later", LATER)):
        paths = [path for path in _in_order(names, modules) if path not in loaded]
        loaded += paths
        for path in paths:
            shutil.copyfile(path, root / "lib/modules" / folder / path.name)
        (root / "lib/modules" / folder / "order").write_bytes(_order(paths))
    for script in (*sorted((FILES / "sbin").iterdir()), *sorted((FILES / "bin").iterdir())):
        target = root / script.relative_to(FILES)
        shutil.copyfile(script, target)
        target.chmod(0o755)
    (root / "var/run").symlink_to("../run")
    (root / "usr/bin/sudo").write_bytes(_program_that_becomes_root("/sbin/as-root"))
    for name in ("inittab", "fstab", "mdev.conf", "issue"):
        shutil.copyfile(FILES / "etc" / name, root / "etc" / name)
    shutil.copyfile(FILES / "flatten.awk", root / "usr/share/flatten.awk")
    button = root / "etc/acpi/PWRF/00000080"
    shutil.copyfile(FILES / "etc/power-button", button)
    button.chmod(0o755)
    _accounts(root)
    return _write_root(work, root)


def _copy_programs(root: Path) -> None:
    busybox = _busybox()
    shutil.copyfile(busybox, root / "bin/busybox")
    (root / "bin/busybox").chmod(0o755)
    (root / "sbin/init").symlink_to("../bin/busybox")
    for applet in _run(str(busybox), "--list").split():
        if applet in LEFT_OUT:
            continue
        folder = "sbin" if applet in SYSTEM_APPLETS else "bin"
        (root / folder / applet).symlink_to("../bin/busybox")
    for tool, folder in (
        ("dropbear", "usr/sbin"),
        ("dropbearkey", "usr/bin"),
        ("dbclient", "usr/bin"),
        ("resize2fs", "usr/sbin"),
        ("mke2fs", "usr/sbin"),
    ):
        _copy_with_libraries(Path(_find(tool) or tool), root, folder)
    (root / "usr/bin/ssh").symlink_to("dbclient")
    (root / "usr/sbin/mkfs.ext4").symlink_to("mke2fs")


def _copy_with_libraries(program: Path, root: Path, folder: str) -> None:
    target = root / folder / program.name
    shutil.copyfile(program, target)
    target.chmod(0o755)
    for library in re.findall(r"(/\S+\.so\S*)", _run("ldd", str(program))):
        copied = root / library.lstrip("/")
        if not copied.exists():
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(library, copied)
            copied.chmod(0o755)


def _program_that_becomes_root(script: str) -> bytes:
    """A program for Linux on x86-64 that becomes root and runs a script with its own arguments.

    A script cannot carry the right to become root, and the sudo of Debian brings a dozen libraries. These are
    three system calls: setgid(0), setuid(0), execve(script, arguments, environment), then exit(127).
    """
    code = bytes.fromhex(
        "31ff b86a000000 0f05"  # edi = 0, eax = 106 (setgid), syscall
        "31ff b869000000 0f05"  # edi = 0, eax = 105 (setuid), syscall
        "488d742408"  # rsi = rsp + 8: the arguments
        "488b0424"  # rax = their number
        "488d54c410"  # rdx = rsp + 16 + 8 * rax: the environment
        "488d3d10000000"  # rdi = the text behind the code
        "b83b000000 0f05"  # eax = 59 (execve), syscall
        "bf7f000000 b03c 0f05"  # edi = 127, al = 60 (exit), syscall
    )
    body = code + script.encode() + b"\0"
    base, head = 0x400000, 64 + 56
    size = head + len(body)
    sizes = (64, 56, 1, 0, 0, 0)  # of the two headers; one segment, no sections
    elf = struct.pack("<16sHHIQQQI6H", b"\x7fELF\2\1\1", 2, 62, 1, base + head, 64, 0, 0, *sizes)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return elf + segment + body


def _accounts(root: Path) -> None:
    etc = root / "etc"
    hashed = _run(str(_busybox()), "mkpasswd", "-m", "sha512", "-S", PASSWORD_SALT, PASSWORD).strip()
    users = ("root:x:0:0:root:/root:/bin/sh", "cloud:x:1000:1000:cloud:/home/cloud:/bin/sh")
    (etc / "passwd").write_text("\n".join(users) + "\n")
    (etc / "shadow").write_text(f"root:{hashed}:19000:0:99999:7:::\ncloud:{hashed}:19000:0:99999:7:::\n")
    (etc / "group").write_text("root:x:0:\ntty:x:5:\ncloud:x:1000:\n")
    (etc / "shells").write_text("/bin/sh\n")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n")
    (etc / "hostname").write_text("guest\n")
    (etc / "resolv.conf").write_text("")
    (etc / "profile").write_text("export PATH=/bin:/usr/bin:/sbin:/usr/sbin\n")


def _write_root(work: Path, root: Path) -> Path:
    """The tree as an ext4 file system in which everything belongs to root, whoever built it.

    It shall be able to grow to 512 GiB while it is mounted, so room for the descriptors is kept.
    """
    image = work / "root.ext4"
    _run(
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-b",
        "4096",
        "-N",
        "2048",
        "-m",
        "0",
        "-L",
        "guest-root",
        "-O",
        "^metadata_csum,^64bit,resize_inode",
        "-J",
        "size=4",
        "-E",
        "root_owner=0:0,lazy_itable_init=0,resize=134217728",
        "-d",
        str(root),
        str(image),
        f"{ROOT_SIZE}M",
    )
    commands = []
    for path in sorted(root.rglob("*")):
        name = "/" + str(path.relative_to(root))
        owner = 1000 if name == "/home/cloud" else 0
        commands += [f"sif {name} uid {owner}", f"sif {name} gid {owner}"]
    for name, mode in (
        ("/usr/bin/sudo", "0104755"),
        ("/etc/shadow", "0100600"),
        ("/root", "0040700"),
        ("/tmp", "0041777"),
    ):
        commands.append(f"sif {name} mode {mode}")
    capability = work / "capability"
    capability.write_bytes(RAW_SOCKETS)
    commands.append(f"ea_set -f {capability} /bin/busybox security.capability")
    orders = work / "orders"
    orders.write_text("\n".join(commands) + "\n")
    _run("debugfs", "-w", "-f", str(orders), str(image))
    return image


# The disk.


def _disk(work: Path, kernel: Path, memory_disk: Path, root: Path) -> Path:
    disk = work / "disk.raw"
    root_start = BOOT_START + BOOT_SIZE
    with disk.open("wb") as file:
        file.truncate((root_start + ROOT_SIZE) * MEBIBYTE)
    sector, size = str(BOOT_START * 2048), str(BOOT_SIZE * 1024)
    _run("mkfs.vfat", "-F", "16", "-n", "BOOT", "--offset", sector, str(disk), size)
    menu = work / "syslinux.cfg"
    menu.write_text(MENU)
    place = f"{disk}@@{BOOT_START}M"
    for source, name in ((kernel, "vmlinuz"), (memory_disk, "initrd"), (menu, "syslinux.cfg")):
        _run("mcopy", "-i", place, str(source), f"::/{name}", environment={"MTOOLS_SKIP_CHECK": "1"})
    _run("syslinux", "--install", "--offset", str(BOOT_START * MEBIBYTE), str(disk))
    with disk.open("r+b") as file:
        file.write(MASTER_BOOT_RECORD.read_bytes()[:440])
        file.seek(446)
        file.write(_partition(True, 0x0E, BOOT_START * 2048, BOOT_SIZE * 2048))
        file.write(_partition(False, 0x83, root_start * 2048, 0xFFFFFFFF - root_start * 2048))
        file.seek(510)
        file.write(b"\x55\xaa")
        file.seek(root_start * MEBIBYTE)
        with root.open("rb") as content:
            shutil.copyfileobj(content, file, MEBIBYTE)
    return disk


def _partition(bootable: bool, kind: int, start: int, sectors: int) -> bytes:
    beyond = b"\xfe\xff\xff"  # an address in cylinders that says: look at the sector numbers
    return struct.pack("<B3sB3sII", 0x80 if bootable else 0, beyond, kind, beyond, start, sectors)


# Smaller things.


def _fingerprint(kernel: str) -> str:
    """A name for these inputs: kernel, scripts, this module, and the packages whose programs are copied."""
    digest = hashlib.sha256(kernel.encode())
    for path in sorted(FILES.rglob("*")):
        if path.is_file():
            digest.update(f"\0{path.relative_to(FILES)}\0".encode() + path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    for tool in ("busybox", "dropbear", "resize2fs", "syslinux"):
        found = Path(_find(tool) or tool).stat()
        digest.update(f"{tool} {found.st_size} {found.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _find(tool: str) -> str | None:
    if tool.startswith("/"):
        return tool if os.path.exists(tool) else None
    return shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")


def _busybox() -> Path:
    found = Path(_find("busybox") or "busybox")
    if b"ld-linux" in found.read_bytes()[:8192]:
        raise BuildError("The busybox here is not static. On Debian: apt-get install busybox-static")
    return found


def _run(
    program: str, *arguments: str, folder: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    """Run a program to its end and return what it printed; what it complained of becomes the error."""
    done = subprocess.run(
        [_find(program) or program, *arguments],
        cwd=folder,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise BuildError(f"{program} failed ({done.returncode}): {' '.join(words) or 'it said nothing'}")
    return done.stdout
