"""Data in any S3: one object a key, put at once when it is small, in parts when it is not.

Only one part is in memory. Parts of an upload that never ended cost money and are shown by no listing of
objects; `remove` asks for them by the key and aborts them.

boto3 signs the requests; it is imported when the store is first used and comes with the extra `s3`.
"""

import errno
import importlib.util
import threading
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from monostack.image.stores.store import CHUNK, Missing, Store, Unavailable, Writer, words
from monostack.kit.crash import point

ABSENT = ("404", "NoSuchKey", "NotFound")
FULL = ("QuotaExceeded", "EntityTooLarge", "InsufficientCapacity", "XMinioStorageFull")
SMALLEST_PART = 5
MOST_PARTS = 10_000
KNOWN: dict[str, Any] = {
    "endpoint": "",
    "access_key": ...,
    "secret_key": ...,
    "bucket": ...,
    "region": "",
    "path_style": True,
    "create_bucket": False,
    "part_mib": 16,
    "ca_file": "",
}


class S3Store(Store):
    """Options: `endpoint` (a URL; none is Amazon's), `access_key`, `secret_key`, `bucket`, `region`,
    `path_style`, `create_bucket`, `part_mib`, `ca_file`."""

    type = "s3"

    def __init__(self, name: str, options: Mapping[str, Any], state: Path) -> None:
        super().__init__(name, options, state)
        self.set = words(options, KNOWN, f"image.store.{name}")
        if self.set["part_mib"] < SMALLEST_PART:
            raise ValueError(f"image.store.{name}: part_mib is at least {SMALLEST_PART}.")
        if importlib.util.find_spec("boto3") is None:
            raise ValueError(f"image.store.{name}: S3 needs boto3: pip install 'monostack[s3]'.")
        self.part = self.set["part_mib"] << 20
        self.bucket = self.set["bucket"]
        self._lock = threading.Lock()
        self._client: Any = None

    def url(self, key: str) -> str:
        scheme, _, host = self.set["endpoint"].rpartition("://")
        return f"s3+{scheme or 'https'}://{host or 's3.amazonaws.com'}/{self.bucket}/{key}"

    def details(self) -> dict[str, Any]:
        return {
            "s3_store_large_object_size": self.set["part_mib"],
            "s3_store_large_object_chunk_size": self.set["part_mib"],
            "s3_store_thread_pools": 1,
        }

    @property
    def client(self) -> Any:
        """The connection, made when it is first needed."""
        with self._lock:
            if self._client is None:
                import boto3
                from botocore.config import Config

                self._client = boto3.session.Session().client(
                    "s3",
                    endpoint_url=self.set["endpoint"] or None,
                    aws_access_key_id=self.set["access_key"],
                    aws_secret_access_key=self.set["secret_key"],
                    region_name=self.set["region"] or None,
                    verify=self.set["ca_file"] or None,
                    config=Config(
                        connect_timeout=10,
                        read_timeout=60,
                        retries={"max_attempts": 3},
                        s3={"addressing_style": "path" if self.set["path_style"] else "auto"},
                        # others than Amazon's do not know the newer checksums
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                    ),
                )
                if self.set["create_bucket"]:
                    self._create_bucket()
            return self._client

    def _create_bucket(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.create_bucket(Bucket=self.bucket)
        except ClientError as reason:
            if reason.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                self._client = None
                raise self.problem(reason) from None
        except BotoCoreError as reason:
            self._client = None
            raise self.problem(reason) from None

    def ask(self, operation: str, **asked: Any) -> dict[str, Any]:
        """An operation on the bucket; raises Missing, Unavailable or OSError."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self.client, operation)(Bucket=self.bucket, **asked)
        except (BotoCoreError, ClientError) as reason:
            raise self.problem(reason) from None

    def problem(self, reason: Exception) -> Exception:
        """What an error of the library means."""
        code = getattr(reason, "response", {}).get("Error", {}).get("Code", type(reason).__name__)
        if code in ABSENT:
            return Missing(f"The object is not in store {self.name}.")
        if code in FULL:
            return OSError(errno.ENOSPC, f"Store {self.name} has no room.")
        return Unavailable(f"Store {self.name} cannot do it: {code}.")

    def writer(self, key: str) -> Writer:
        return S3Writer(self, key)

    def read(self, key: str, first: int, length: int) -> Generator[bytes, None, None]:
        from botocore.exceptions import BotoCoreError

        if length == 0:
            return
        body = self.ask("get_object", Key=key, Range=f"bytes={first}-{first + length - 1}")["Body"]
        try:
            while length > 0:
                chunk = body.read(min(CHUNK, length))
                if not chunk:
                    raise Unavailable(f"The data from store {self.name} ended {length} bytes too early.")
                length -= len(chunk)
                yield chunk
        except (BotoCoreError, OSError) as reason:
            raise self.problem(reason) from None
        finally:
            body.close()

    def size(self, key: str) -> int | None:
        try:
            return self.ask("head_object", Key=key)["ContentLength"]
        except Missing:
            return None

    def remove(self, key: str) -> None:
        point("image.s3.remove.before")
        for upload in self._unfinished(key):
            try:
                self.ask("abort_multipart_upload", Key=key, UploadId=upload)
            except Missing:
                continue
        self.ask("delete_object", Key=key)
        point("image.s3.remove.after")

    def _unfinished(self, key: str) -> list[str]:
        found, asked = [], {"Prefix": key}
        while True:
            page = self.ask("list_multipart_uploads", **asked)
            found += [each["UploadId"] for each in page.get("Uploads", ()) if each["Key"] == key]
            if not page.get("IsTruncated"):
                return found
            asked |= {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


class S3Writer(Writer):
    """Keeps one part in memory."""

    def __init__(self, store: S3Store, key: str) -> None:
        self.store = store
        self.key = key
        self.parts: list[dict[str, Any]] = []
        self._upload: str | None = None
        self._buffer = bytearray()
        self._size = store.part

    def write(self, chunk: bytes) -> None:
        self._buffer += chunk
        while len(self._buffer) >= self._size:
            self._send(bytes(self._buffer[: self._size]))
            del self._buffer[: self._size]

    def _send(self, part: bytes) -> None:
        if self._upload is None:
            self._upload = self.store.ask("create_multipart_upload", Key=self.key)["UploadId"]
        number = len(self.parts) + 1
        if number == MOST_PARTS // 2:
            self._size *= 4  # so that ten thousand parts suffice for some hundred GiB
        sent = self.store.ask(
            "upload_part", Key=self.key, UploadId=self._upload, PartNumber=number, Body=part
        )
        self.parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def finish(self) -> None:
        if self._upload is None:
            point("image.s3.put.before")
            self.store.ask("put_object", Key=self.key, Body=bytes(self._buffer))
            point("image.s3.put.after")
            return
        if self._buffer:
            self._send(bytes(self._buffer))
        point("image.s3.complete.before")
        self.store.ask(
            "complete_multipart_upload",
            Key=self.key,
            UploadId=self._upload,
            MultipartUpload={"Parts": self.parts},
        )
        point("image.s3.complete.after")

    def abandon(self) -> None:
        self._buffer.clear()
