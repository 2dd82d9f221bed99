"""An S3 store of a few lines on loopback: enough of HEAD, GET, PUT, parts and ListObjectsV2 for the real SDK.

Faults are values in `StubS3.faults`: (method, path) to a status, a code, or bytes that are sent raw.
"""

import hashlib
import ssl
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from ringtrue.settings import S3Settings

_PAGE = 3


@dataclass
class Stored:
    data: bytes
    modified_s: float
    metadata: dict[str, str] = field(default_factory=dict)
    parts: int = 1

    @property
    def etag(self) -> str:
        digest = hashlib.md5(self.data, usedforsecurity=False).hexdigest()
        return digest if self.parts == 1 else f"{digest[::-1]}-{self.parts}"  # of parts it says something else


@dataclass
class StubS3:
    """Buckets and faults of the stub; `port` is where it listens."""

    buckets: dict[str, dict[str, Stored]] = field(default_factory=dict)
    #: (method, path), such as ("HEAD", "/bucket/key"), to (status, S3 error code or raw body).
    faults: dict[tuple[str, str], tuple[int, str | bytes]] = field(default_factory=dict)
    #: After so many requests the faults are gone.
    heals_after: int | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)
    #: So many of the next answers stop: "silence" before they begin, "half" in the middle of an object.
    stalls: list[Literal["silence", "half"]] = field(default_factory=list)
    #: Lets go of the answers that have stopped.
    released: threading.Event = field(default_factory=threading.Event)
    #: Objects that are still put together of parts: their metadata and the parts by number.
    unfinished: dict[str, tuple[dict[str, str], dict[int, bytes]]] = field(default_factory=dict)
    port: int = 0

    @property
    def settings(self) -> S3Settings:
        return S3Settings.model_validate(
            {"endpoint": f"127.0.0.1:{self.port}", "access_key": "tester", "secret_key": "synthetic", "secure": False}
        )

    def put(self, bucket: str, key: str, data: bytes, metadata: dict[str, str] | None = None) -> None:
        self.buckets.setdefault(bucket, {})[key] = Stored(data, time.time(), metadata or {})

    def start(self, tls: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
        """Listens on a free loopback port; `shutdown` and `server_close` end it."""
        handler = type("Handler", (_Handler,), {"stub": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
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

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.stub.requests.append((self.command, path))
        if self.stub.heals_after is not None and len(self.stub.requests) > self.stub.heals_after:
            self.stub.faults.clear()
        if self.stub.stalls and self.stub.stalls[0] == "silence":
            self.stub.stalls.pop(0)
            self.stub.released.wait()
            return
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
        elif self.command == "POST":
            self._parts(bucket, key, query)
        elif "partNumber" in query:
            self.stub.unfinished[query["uploadId"]][1][int(query["partNumber"])] = body
            self._send(200, b"", {"ETag": f'"{query["partNumber"]}"'})
        elif self.command == "PUT":
            self.stub.put(bucket, key, body, self._metadata())
            self._send(200, b"", {"ETag": f'"{self.stub.buckets[bucket][key].etag}"'})
        elif key not in self.stub.buckets[bucket]:
            self._fail(404, "NoSuchKey")
        elif self.headers.get("If-Match", "").strip('"') not in ("", self.stub.buckets[bucket][key].etag):
            self._fail(412, "PreconditionFailed")
        else:
            self._object(self.stub.buckets[bucket][key])

    def _metadata(self) -> dict[str, str]:
        return {
            name.lower().removeprefix("x-amz-meta-"): value
            for name, value in self.headers.items()
            if name.lower().startswith("x-amz-meta-")
        }

    def _parts(self, bucket: str, key: str, query: dict[str, str]) -> None:
        if "uploads" in query:
            self.stub.unfinished[key] = (self._metadata(), {})
            made = f"<UploadId>{escape(key)}</UploadId>"
            self._xml(200, f"<InitiateMultipartUploadResult>{made}</InitiateMultipartUploadResult>")
            return
        metadata, parts = self.stub.unfinished.pop(query["uploadId"])
        data = b"".join(parts[number] for number in sorted(parts))
        self.stub.buckets[bucket][key] = stored = Stored(data, time.time(), metadata, len(parts))
        self._xml(200, f"<CompleteMultipartUploadResult><ETag>{stored.etag}</ETag></CompleteMultipartUploadResult>")

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
        if self.command == "GET" and self.stub.stalls:
            self.stub.stalls.pop(0)
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.stub.released.wait()
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        """Says nothing."""
