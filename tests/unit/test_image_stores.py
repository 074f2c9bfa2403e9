"""What every store promises, asked of each: files, Swift, S3 as Swift and as moto speak it, Ceph."""

from __future__ import annotations

import errno
import json
import os
import time

import pytest
from tests.data_servers import Ceph, Moto, Swift, free_ports

from monostack import testing
from monostack.image.stores import Missing, Stores, Unavailable, rbd
from monostack.image.stores.file import FileStore
from monostack.settings import BadSetting, Image

DATA = os.urandom(1 << 20) * 12 + b"the end"
"""More than two parts and more than one segment."""


@pytest.fixture(scope="module")
def moto():
    peer = Moto()
    yield peer
    peer.stop()


@pytest.fixture(scope="module")
def swift():
    peer = Swift()
    yield peer
    peer.stop()


@pytest.fixture(scope="module")
def ceph():
    peer = Ceph()
    yield peer
    peer.stop()


def opened(settings, tmp_path):
    return Stores(Image(**settings), tmp_path).default


SERVED = {
    "file": ("file", None, "options"),
    "swift": ("swift", "swift", "options"),
    "s3": ("s3", "swift", "s3_options"),
    "s3 of moto": ("s3", "moto", "options"),
    "rbd": ("rbd", "ceph", "options"),
}
"""By the name of a case: the kind of store, whose server it is, and what of him are its options."""


@pytest.fixture(params=SERVED)
def store(request, tmp_path):
    kind, peer, told = SERVED[request.param]
    options = {} if peer is None else getattr(request.getfixturevalue(peer), told)
    return opened({"stores": (f"here:{kind}",), "store": {"here": options}}, tmp_path)


@pytest.fixture
def key(store):
    return store.key("11111111-2222-4333-8444-555555555555", os.urandom(8).hex())


def write(store, key, data, piece=300_000):
    writer = store.writer(key)
    for at in range(0, len(data), piece):
        writer.write(data[at : at + piece])
    writer.finish()
    writer.abandon()


def read(store, key, first=0, length=None):
    return b"".join(store.read(key, first, len(DATA) if length is None else length))


def test_data_come_back(store, key):
    assert store.size(key) is None
    write(store, key, DATA)
    assert store.size(key) == len(DATA)
    assert read(store, key) == DATA
    assert key in store.url(key)
    assert "secret" not in store.url(key) + str(store.details())


def test_parts_of_data_come_back(store, key):
    write(store, key, DATA)
    middle = (1 << 20) + 5
    assert read(store, key, middle, 2 << 20) == DATA[middle : middle + (2 << 20)]
    assert read(store, key, len(DATA) - 3, 3) == b"end"
    with pytest.raises(Unavailable):
        read(store, key, 0, len(DATA) + 1)


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_small_data_come_back(store, key, size):
    write(store, key, DATA[:size])
    assert store.size(key) == size
    assert read(store, key, 0, size) == DATA[:size]


def test_what_is_removed_is_gone(store, key):
    write(store, key, DATA)
    for _ in range(2):
        store.remove(key)
        assert store.size(key) is None
    with pytest.raises(Missing):
        read(store, key)


def left(store, key):
    """Whatever of the key can still be found."""
    if store.type == "file":
        return list(store.folder.rglob("*.part"))
    if store.type == "s3":
        return store._unfinished(key)
    if store.type == "rbd":
        found = [each.key for each in store.connected().list_objects()]
        images = {name.split(".")[1] for name in found if name.startswith("rbd_header.")}
        lost = [name for name in found if name.startswith("rbd_data.") and name.split(".")[1] not in images]
        return lost + [name for name in found if name == f"rbd_id.{key}"]
    listed = store._ask("GET", "", query=f"prefix={key}", wanted=(200, 204))[1].split()
    return [name for name in listed if store.size(name.decode()) is not None]


def test_what_a_dead_writer_left_is_removed_too(store, key):
    writer = store.writer(key)
    writer.write(DATA[: 11 << 20])
    writer.abandon()
    assert store.size(key) is None
    assert left(store, key)
    store.remove(key)
    assert not left(store, key)


def test_two_writers_do_not_meet(store, key):
    other = store.key("11111111-2222-4333-8444-555555555555", "other")
    write(store, key, b"one")
    write(store, other, b"two")
    assert read(store, key, 0, 3) == b"one"
    store.remove(key)
    assert read(store, other, 0, 3) == b"two"
    store.remove(other)


def test_a_store_that_is_away_is_told_without_its_secrets(tmp_path):
    for kind, options in (
        (
            "swift",
            {"auth_url": "http://127.0.0.1:1/auth/v1.0", "auth_version": 1, "user": "a", "key": "hidden"},
        ),
        ("s3", {"endpoint": "http://127.0.0.1:1", "access_key": "a", "secret_key": "hidden", "bucket": "b"}),
    ):
        away = opened({"stores": (f"away:{kind}",), "store": {"away": options}}, tmp_path)
        for ask in (away.size, away.remove, lambda key, away=away: write(away, key, b"x")):
            with pytest.raises(Unavailable, match="away") as caught:
                ask("key")
            assert "hidden" not in str(caught.value)


def test_a_wrong_password_is_told(swift, tmp_path):
    options = swift.options | {"key": "wrong"}
    store = opened({"stores": ("here:swift",), "store": {"here": options}}, tmp_path)
    with pytest.raises(Unavailable, match="not let in: 401"):
        store.size("key")


def test_a_token_that_has_ended_is_replaced(swift, tmp_path):
    store = opened({"stores": ("here:swift",), "store": {"here": swift.options}}, tmp_path)
    url, _ = store.login()
    store._login = (url, "ended", time.time() + 1000)
    write(store, "again", b"data")
    assert read(store, "again", 0, 4) == b"data"


def test_a_swift_is_found_in_the_catalogue(tmp_path):
    with testing.cloud(only=("identity",)) as cloud:
        admin = cloud.connection().identity
        service = admin.create_service(type="object-store", name="swift")
        admin.create_endpoint(
            service_id=service.id,
            interface="public",
            region_id="RegionOne",
            url="http://127.0.0.1:8080/v1/AUTH_%(project_id)s",
        )
        options = {"auth_url": cloud.auth_url, "user": "admin", "key": testing.PASSWORD, "project": "admin"}
        store = opened({"stores": ("here:swift",), "store": {"here": options}}, tmp_path)
        url, token = store.login()
        project = admin.find_project("admin").id
        assert url == f"http://127.0.0.1:8080/v1/AUTH_{project}"
        assert admin.get("/auth/tokens", headers={"X-Subject-Token": token}).status_code == 200
        assert store.url("key").startswith("swift+http://127.0.0.1:8080/v1/AUTH_")


def test_a_ceph_that_is_away_is_told(ceph, tmp_path):
    options = {"rbd_store_ceph_conf": str(tmp_path / "ceph.conf"), "rados_connect_timeout": 1}
    away = opened({"stores": ("away:rbd",), "store": {"away": options}}, tmp_path)
    with pytest.raises(Unavailable, match="away cannot be reached: No such file"):
        away.size("key")
    port = free_ports(1)[0]
    keyring = ceph.folder / "keyring"
    (tmp_path / "ceph.conf").write_text(f"[global]\nmon host = v1:127.0.0.1:{port}/0\nkeyring = {keyring}\n")
    for ask in (away.size, away.remove, away.writer):
        with pytest.raises(Unavailable, match="away cannot be reached: it does not answer"):
            ask("key")


def test_a_pool_that_is_not_there_is_no_missing_data(ceph, tmp_path):
    options = ceph.options | {"rbd_store_pool": "others"}
    store = opened({"stores": ("here:rbd",), "store": {"here": options}}, tmp_path)
    with pytest.raises(Unavailable, match="its pool others cannot be used"):
        store.size("key")


def test_data_in_ceph_that_are_removed_are_not_read_as_zeros(ceph, tmp_path):
    store = opened({"stores": ("here:rbd",), "store": {"here": ceph.options}}, tmp_path)
    write(store, "read", DATA)
    pieces = store.read("read", 0, len(DATA))
    next(pieces)
    store.remove("read")
    with pytest.raises(Missing):
        next(pieces)


def test_data_in_ceph_that_are_still_written_are_removed_later(ceph, tmp_path):
    store = opened({"stores": ("here:rbd",), "store": {"here": ceph.options}}, tmp_path)
    writer = store.writer("late")
    with pytest.raises(Unavailable, match="still writes"):
        store.remove("late")
    writer.abandon()
    store.remove("late")
    assert not left(store, "late")


@pytest.mark.parametrize("there", [("name",), ("name", "entry"), ("entry",)])
def test_a_name_without_its_image_is_removed_from_ceph(there, ceph, tmp_path):
    """As a death in the middle of making or removing an image leaves it."""
    store = opened({"stores": ("here:rbd",), "store": {"here": ceph.options}}, tmp_path)
    pool = store.connected()
    store.writer("half").abandon()
    image = pool.read("rbd_id.half")[4:].decode()
    pool.remove_object(f"rbd_header.{image}")
    if "name" not in there:
        pool.remove_object("rbd_id.half")
    if "entry" not in there:
        with rbd._library("rados").WriteOpCtx() as operation:
            pool.remove_omap_keys(operation, ("name_half", f"id_{image}"))
            pool.operate_write_op(operation, "rbd_directory")
    assert store.size("half") is None
    assert left(store, "half") or "half" in ceph.tool("rbd", "ls", "images").split()
    store.remove("half")
    assert not left(store, "half")
    assert "half" not in ceph.tool("rbd", "ls", "images").split()


def test_a_client_that_ceph_shut_out_comes_in_again(ceph, tmp_path):
    store = opened({"stores": ("here:rbd",), "store": {"here": ceph.options}}, tmp_path)
    write(store, "kept", b"data")
    ceph.tool("ceph", "osd", "blocklist", "add", store._clusters[-1].get_addrs())
    deadline = time.monotonic() + 20
    with pytest.raises(Unavailable, match="here cannot do it"):
        while time.monotonic() < deadline:
            assert store.size("kept") == 4
    assert store.size("kept") == 4
    store.remove("kept")


def test_a_ceph_without_room_says_so_and_lets_data_go(ceph, tmp_path):
    store = opened({"stores": ("here:rbd",), "store": {"here": ceph.options}}, tmp_path)
    writer = store.writer("big")
    writer.write(DATA)
    for name in ("nearfull", "backfillfull", "full"):
        ceph.tool("ceph", "osd", f"set-{name}-ratio", "0.000001")
    deadline = time.monotonic() + 20
    with pytest.raises(OSError, match="here has no room") as caught:
        while time.monotonic() < deadline:
            writer.write(DATA[: 4 << 20])
            time.sleep(0.2)
    assert caught.value.errno == errno.ENOSPC
    writer.abandon()
    store.remove("big")
    assert not left(store, "big")
    for name in ("full", "backfillfull", "nearfull"):
        ceph.tool("ceph", "osd", f"set-{name}-ratio", "0.95")


def test_a_file_is_taken_without_a_copy(tmp_path):
    store = FileStore("here", {"path": str(tmp_path / "store")}, tmp_path)
    (tmp_path / "made").write_bytes(b"data")
    assert store.take(tmp_path / "made", "aa/key")
    assert os.path.samefile(tmp_path / "made", store.path("aa/key"))
    assert store.take(tmp_path / "made", "aa/key")
    assert read(store, "aa/key", 0, 4) == b"data"


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"stores": ("a:tape",)}, "there are file, http, swift, s3, rbd"),
        ({"stores": ("a:file", "a:file")}, "each name once"),
        ({"stores": ("os_glance_x:file",)}, "each name once"),
        ({"stores": ()}, "default_store"),
        ({"stores": ("a:file",), "default_store": "b"}, "no such name"),
        ({"stores": ("a:http",)}, "can only be read"),
        ({"stores": ("a:file",), "store": {"b": {}}}, "options for b"),
        ({"stores": ("a:file",), "store": {"a": {"paht": "/x"}}}, "no option paht"),
        ({"stores": ("a:swift",)}, "needs the option auth_url"),
        ({"stores": ("a:s3",), "store": {"a": {"part_mib": "x"}}}, "needs the option access_key"),
        ({"stores": ("a:rbd",), "store": {"a": {"rbd_store_chunk_size": 3}}}, "a power of two"),
        ({"stores": ("a:rbd",), "store": {"a": {"rados_connect_timeout": 0}}}, "at least a second"),
    ],
)
def test_wrong_settings_are_told_in_words(settings, word, tmp_path):
    with pytest.raises(BadSetting, match=word):
        Stores(Image(**settings), tmp_path)


def test_ceph_without_its_modules_is_refused_at_the_start(monkeypatch, tmp_path):
    monkeypatch.setattr(rbd, "MODULES", ("no_such_module",))
    with pytest.raises(BadSetting, match="Debian: python3-rbd"):
        Stores(Image(stores=("a:rbd",)), tmp_path)


def test_images_in_all_kinds_of_stores(swift, moto):
    """A whole cloud with them: imported everywhere, downloaded from each, taken out, deleted."""
    import httpx

    store = json.dumps({"swift": swift.options, "s3": moto.options})
    settings = {"image__stores": "fs:file,swift:swift,s3:s3", "image__store": store}
    with testing.cloud(only=("identity", "image"), **settings) as cloud:
        token = cloud.connection().auth_token
        headers = {"X-Auth-Token": token, "Accept": "application/json"}
        base = f"{cloud.url}/image/v2"
        client = httpx.Client(base_url=base, headers=headers, verify=False, timeout=30)
        octets = {"Content-Type": "application/octet-stream"}

        def until(holds):
            deadline = time.monotonic() + 20
            while not holds():
                assert time.monotonic() < deadline
                time.sleep(0.02)

        def shown(image):
            return client.get(f"/images/{image}").json()

        new = {"name": "x", "disk_format": "raw", "container_format": "bare"}
        image = client.post("/images", json=new).json()["id"]
        assert client.put(f"/images/{image}/stage", content=DATA, headers=octets).status_code == 204
        body = {"method": {"name": "glance-direct"}, "all_stores": True}
        assert client.post(f"/images/{image}/import", json=body).status_code == 202
        until(lambda: "os_glance_import_task" not in shown(image))
        assert (shown(image)["status"], shown(image)["stores"]) == ("active", "fs,swift,s3")
        for name in ("fs", "swift"):
            assert client.get(f"/images/{image}/file").content == DATA
            assert client.delete(f"/stores/{name}/{image}").status_code == 204
        answer = client.get(f"/images/{image}/file", headers={"Range": "bytes=5-1048580"})
        assert (answer.status_code, answer.content) == (206, DATA[5:1048581])
        assert client.get(f"/images/{image}/file").content == DATA

        image = client.post("/images", json=new).json()["id"]
        named = octets | {"X-Image-Meta-Store": "swift"}
        assert client.put(f"/images/{image}/file", content=DATA, headers=named).status_code == 204
        body = {"method": {"name": "copy-image"}, "stores": ["s3"]}
        assert client.post(f"/images/{image}/import", json=body).status_code == 202
        until(lambda: shown(image)["stores"] == "swift,s3")
        assert client.get(f"/images/{image}/file").content == DATA
        assert client.delete(f"/images/{image}").status_code == 204
        until(lambda: not _blobs_of(cloud, image))


def _blobs_of(cloud, image):
    from monostack.image.tables import BLOBS

    return cloud.read(lambda db: db.all(BLOBS, image_id=image))
