"""Data in any Swift: segments under the key, and a manifest (a static large object) that is the key itself.

Always segments, however small the data are: their size is not known before they end, and one shape has one
way to be removed. Segments are numbered from 1 without gaps, so what a dead writer left is found by counting,
not by a listing, which may lag behind.

Six requests are needed of Swift and two of whoever gives out tokens, so this speaks HTTP itself; a client
library would bring more code than it saves.

Source: object storage API reference ("Large objects"), identity API reference v3, the v1 login of RFC-less
fame (X-Auth-User, X-Auth-Key).
"""

import errno
import http.client
import json
import ssl
import threading
import time
from collections.abc import Generator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from monostack.image.stores.store import CHUNK, Missing, Store, Unavailable, Writer, words
from monostack.kit.crash import point

TIMEOUT = 60.0
FULL = (413, 507)
KNOWN: dict[str, Any] = {
    "auth_url": ...,
    "auth_version": 3,
    "user": ...,
    "key": ...,
    "user_domain": "Default",
    "project": "service",
    "project_domain": "Default",
    "region": "",
    "interface": "public",
    "container": "images",
    "segment_mib": 200,
    "ca_file": "",
}


class SwiftStore(Store):
    """Options: `auth_url`, `user`, `key`, `auth_version` (3, or 1), `user_domain`, `project`,
    `project_domain`, `region`, `interface`, `container`, `segment_mib`, `ca_file`."""

    type = "swift"

    def __init__(self, name: str, options: Mapping[str, Any], state: Path) -> None:
        super().__init__(name, options, state)
        self.set = words(options, KNOWN, f"image.store.{name}")
        if self.set["auth_version"] not in (1, 3) or self.set["segment_mib"] < 1:
            raise ValueError(f"image.store.{name}: auth_version is 1 or 3, segment_mib from 1 on.")
        self.segment = self.set["segment_mib"] << 20
        self._secure = ssl.create_default_context(cafile=self.set["ca_file"]) if self.set["ca_file"] else None
        self._lock = threading.Lock()
        self._login: tuple[str, str, float] | None = None
        self._container_is_there = False

    def url(self, key: str) -> str:
        place = urlsplit(self._login[0]) if self._login else urlsplit(self.set["auth_url"])
        return f"swift+{place.scheme}://{place.netloc}{place.path}/{self.set['container']}/{key}"

    def details(self) -> dict[str, Any]:
        megabytes = self.set["segment_mib"]
        return {
            "container": self.set["container"],
            "large_object_size": megabytes,
            "large_object_chunk_size": megabytes,
        }

    def writer(self, key: str) -> Writer:
        if not self._container_is_there:
            self._ask("PUT", "", wanted=(201, 202))
            self._container_is_there = True
        return SwiftWriter(self, key)

    def read(self, key: str, first: int, length: int) -> Generator[bytes, None, None]:
        if length == 0:
            return
        asked = {"Range": f"bytes={first}-{first + length - 1}"}
        response, connection = self._open("GET", key, asked)
        try:
            if response.status not in (200, 206):
                raise self._problem(response, key)
            while length > 0:
                chunk = _calmly(self, response.read, min(CHUNK, length))
                if not chunk:
                    raise Unavailable(f"The data from store {self.name} ended {length} bytes too early.")
                length -= len(chunk)
                yield chunk
        finally:
            connection.close()

    def size(self, key: str) -> int | None:
        try:
            headers = self._ask("HEAD", key, wanted=(200, 204))[0]
        except Missing:
            return None
        return int(headers["Content-Length"])

    def remove(self, key: str) -> None:
        point("image.swift.remove.before")
        self._delete(key)
        number = 1
        while self._delete(segment(key, number)):
            number += 1
        point("image.swift.remove.after")
        query = urlencode({"prefix": f"{key}/", "format": "json"})
        try:
            left = json.loads(self._ask("GET", "", query=query, wanted=(200, 204))[1] or b"[]")
        except Missing:
            return
        for each in left:
            self._delete(each["name"])

    def _delete(self, key: str) -> bool:
        try:
            self._ask("DELETE", key, wanted=(204, 200))
        except Missing:
            return False
        return True

    # requests

    def _ask(
        self, method: str, key: str, query: str = "", body: bytes = b"", wanted: tuple[int, ...] = (200,)
    ) -> tuple[Any, bytes]:
        """Headers and body of an answer; raises Missing for 404 and Unavailable for what is not wanted."""
        headers = {"Content-Length": str(len(body))}
        response, connection = self._open(method, key, headers, query, body)
        try:
            if response.status not in wanted:
                raise self._problem(response, key)
            return response.headers, _calmly(self, response.read)
        finally:
            connection.close()

    def _open(
        self, method: str, key: str, headers: Mapping[str, str], query: str = "", body: bytes = b""
    ) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
        for again in (True, False):
            url, token = self.login()
            connection = self.connect(url)
            try:
                path = self.path_of(url, key) + (f"?{query}" if query else "")
                own = {"X-Auth-Token": token, **headers}
                _calmly(self, connection.request, method, path, body or None, own)
                response = _calmly(self, connection.getresponse)
            except BaseException:
                connection.close()
                raise
            if response.status != 401 or not again:
                return response, connection
            connection.close()
            self._login = None
        raise AssertionError("not reached")

    def _problem(self, response: http.client.HTTPResponse, key: str) -> Exception:
        if response.status == 404:
            return Missing(f"The object {key} of store {self.name} is not there.")
        return refusal(self, response)

    def path_of(self, url: str, key: str) -> str:
        """The path of an object, or of the container."""
        base = f"{urlsplit(url).path}/{quote(self.set['container'])}"
        return f"{base}/{quote(key)}" if key else base

    def connect(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT, context=self._secure)
        return http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)

    # tokens

    def login(self) -> tuple[str, str]:
        """Where the account is, and a token that is good for some minutes yet."""
        with self._lock:
            if self._login is None or self._login[2] < time.time():
                self._login = self._login_1() if self.set["auth_version"] == 1 else self._login_3()
            return self._login[0], self._login[1]

    def _login_1(self) -> tuple[str, str, float]:
        headers = {"X-Auth-User": self.set["user"], "X-Auth-Key": self.set["key"]}
        answer, _ = self._log_in("GET", self.set["auth_url"], None, headers)
        until = float(answer.get("X-Auth-Token-Expires") or 1200)
        return answer["X-Storage-Url"].rstrip("/"), answer["X-Auth-Token"], time.time() + until / 2

    def _login_3(self) -> tuple[str, str, float]:
        user = {
            "name": self.set["user"],
            "password": self.set["key"],
            "domain": {"name": self.set["user_domain"]},
        }
        project = {"name": self.set["project"], "domain": {"name": self.set["project_domain"]}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = json.dumps({"auth": {"identity": identity, "scope": {"project": project}}}).encode()
        url = self.set["auth_url"].rstrip("/").removesuffix("/v3") + "/v3/auth/tokens"
        headers, text = self._log_in("POST", url, body, {"Content-Type": "application/json"})
        token = json.loads(text)["token"]
        for service in token["catalog"]:
            for each in service["endpoints"] if service["type"] == "object-store" else ():
                here = not self.set["region"] or self.set["region"] in (
                    each.get("region_id"),
                    each.get("region"),
                )
                if each["interface"] == self.set["interface"] and here:
                    ends = datetime.fromisoformat(token["expires_at"].replace("Z", "+00:00")).timestamp()
                    good = time.time() + (ends - time.time()) / 2
                    return each["url"].rstrip("/"), headers["X-Subject-Token"], good
        raise Unavailable(f"The catalogue that store {self.name} is shown has no object store.")

    def _log_in(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[Any, bytes]:
        connection = self.connect(url)
        try:
            _calmly(self, connection.request, method, urlsplit(url).path, body, headers)
            response = _calmly(self, connection.getresponse)
            text = _calmly(self, response.read)
            if response.status not in (200, 201, 204):
                raise Unavailable(f"Store {self.name} is not let in: {response.status} {response.reason}.")
            return response.headers, text
        finally:
            connection.close()


class SwiftWriter(Writer):
    """Streams segment after segment, then tells what they are together."""

    def __init__(self, store: SwiftStore, key: str) -> None:
        self.store = store
        self.key = key
        self.segments: list[dict[str, Any]] = []
        self._connection: http.client.HTTPConnection | None = None
        self._filled = 0

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            if self._connection is None:
                self._begin()
            piece = view[: self.store.segment - self._filled]
            _calmly(self.store, self._send, piece)
            self._filled += len(piece)
            view = view[len(piece) :]
            if self._filled == self.store.segment:
                self._end()

    def _begin(self) -> None:
        url, token = self.store.login()
        self._connection = connection = self.store.connect(url)
        path = self.store.path_of(url, segment(self.key, len(self.segments) + 1))
        self._filled = 0

        def start() -> None:
            connection.putrequest("PUT", path)
            connection.putheader("X-Auth-Token", token)
            connection.putheader("Content-Type", "application/octet-stream")
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()

        _calmly(self.store, start)

    def _send(self, piece: memoryview) -> None:
        if self._connection is not None:
            self._connection.send(b"%x\r\n" % len(piece))
            self._connection.send(piece)
            self._connection.send(b"\r\n")

    def _end(self) -> None:
        connection = self._connection
        if connection is None:
            return
        _calmly(self.store, connection.send, b"0\r\n\r\n")
        response = _calmly(self.store, connection.getresponse)
        _calmly(self.store, response.read)
        self.abandon()
        if response.status != 201:
            raise refusal(self.store, response)
        name = f"/{self.store.set['container']}/{segment(self.key, len(self.segments) + 1)}"
        etag = response.headers["Etag"].strip('"')
        self.segments.append({"path": name, "size_bytes": self._filled, "etag": etag})

    def finish(self) -> None:
        self._end()
        manifest = json.dumps(self.segments).encode() if self.segments else b""
        query = "multipart-manifest=put" if self.segments else ""
        point("image.swift.manifest.before")
        self.store._ask("PUT", self.key, query=query, body=manifest, wanted=(201,))
        point("image.swift.manifest.after")

    def abandon(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def segment(key: str, number: int) -> str:
    """What a segment of a key is called."""
    return f"{key}/{number:08}"


def refusal(store: Store, response: http.client.HTTPResponse) -> Exception:
    """What an answer that is no success means."""
    if response.status in FULL:
        return OSError(errno.ENOSPC, f"Store {store.name} has no room.")
    return Unavailable(f"Store {store.name} answered {response.status} {response.reason}.")


def _calmly(store: Store, function, *args: Any) -> Any:
    """Call something that talks to the network; raises Unavailable when that fails."""
    try:
        return function(*args)
    except (OSError, http.client.HTTPException) as reason:
        raise Unavailable(f"Store {store.name} cannot be reached: {type(reason).__name__}.") from reason
