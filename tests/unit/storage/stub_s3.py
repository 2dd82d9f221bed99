"""An S3 store of a few lines on loopback: enough of HEAD, GET, PUT and ListObjectsV2 to run the real SDK against.

Faults are values in `StubS3.faults`: (method, path) to a status, a code, or bytes that are sent raw.
"""

import hashlib
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from ringtrue.settings import S3Settings

_PAGE = 3


@dataclass
class Stored:
    data: bytes
    modified_s: float
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()


@dataclass
class StubS3:
    """Buckets and faults of the stub; `port` is where it listens."""

    buckets: dict[str, dict[str, Stored]] = field(default_factory=dict)
    #: (method, path), such as ("HEAD", "/bucket/key"), to (status, S3 error code or raw body).
    faults: dict[tuple[str, str], tuple[int, str | bytes]] = field(default_factory=dict)
    #: After so many requests the faults are gone.
    heals_after: int | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def settings(self) -> S3Settings:
        return S3Settings.model_validate(
            {"endpoint": f"127.0.0.1:{self.port}", "access_key": "tester", "secret_key": "synthetic", "secure": False}
        )

    def put(self, bucket: str, key: str, data: bytes, metadata: dict[str, str] | None = None) -> None:
        self.buckets.setdefault(bucket, {})[key] = Stored(data, time.time(), metadata or {})

    def start(self) -> ThreadingHTTPServer:
        """Listens on a free loopback port; `shutdown` and `server_close` end it."""
        handler = type("Handler", (_Handler,), {"stub": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server


class _Handler(BaseHTTPRequestHandler):
    stub: ClassVar[StubS3]
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.stub.requests.append((self.command, path))
        if self.stub.heals_after is not None and len(self.stub.requests) > self.stub.heals_after:
            self.stub.faults.clear()
        fault = self.stub.faults.get((self.command, path))
        _, bucket, *rest = path.split("/", 2)
        key = rest[0] if rest else ""
        if fault is not None:
            self._fail(*fault)
        elif bucket not in self.stub.buckets:
            self._fail(404, "NoSuchBucket")
        elif "location" in query:
            self._xml(200, "<LocationConstraint/>")
        elif not key:
            self._xml(200, self._page(bucket, query))
        elif self.command == "PUT":
            self.stub.put(bucket, key, body)
            self._send(200, b"", {"ETag": f'"{self.stub.buckets[bucket][key].etag}"'})
        elif key not in self.stub.buckets[bucket]:
            self._fail(404, "NoSuchKey")
        elif self.headers.get("If-Match", "").strip('"') not in ("", self.stub.buckets[bucket][key].etag):
            self._fail(412, "PreconditionFailed")
        else:
            self._object(self.stub.buckets[bucket][key])

    def _page(self, bucket: str, query: dict[str, str]) -> str:
        after = query.get("continuation-token") or query.get("start-after", "")
        keys = sorted((k for k in self.stub.buckets[bucket] if k.startswith(query.get("prefix", ""))), key=str.encode)
        keys = [key for key in keys if key.encode() > after.encode()]
        contents = "".join(
            f"<Contents><Key>{quote(key)}</Key><Size>{len(found.data)}</Size><ETag>&quot;{found.etag}&quot;</ETag>"
            f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(found.modified_s))}</LastModified>"
            "</Contents>"
            for key, found in ((key, self.stub.buckets[bucket][key]) for key in keys[:_PAGE])
        )
        more = len(keys) > _PAGE
        token = f"<NextContinuationToken>{escape(keys[_PAGE - 1])}</NextContinuationToken>" if more else ""
        return (
            f"<ListBucketResult><Name>{bucket}</Name><EncodingType>url</EncodingType>{contents}{token}"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated></ListBucketResult>"
        )

    def _object(self, found: Stored) -> None:
        headers = {"ETag": f'"{found.etag}"', "Last-Modified": formatdate(found.modified_s, usegmt=True)}
        headers |= {f"x-amz-meta-{name}": value for name, value in found.metadata.items()}
        self._send(200, found.data, headers)

    def _fail(self, status: int, answer: str | bytes) -> None:
        if isinstance(answer, bytes):
            self._send(status, answer, {"Content-Type": "text/html"})
        else:
            self._xml(status, f"<Error><Code>{answer}</Code><Message>as the test asked</Message></Error>")

    def _xml(self, status: int, text: str) -> None:
        self._send(status, f'<?xml version="1.0"?>{text}'.encode(), {"Content-Type": "application/xml"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        """Says nothing."""
