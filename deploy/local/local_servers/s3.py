"""The requests that make the bucket, signed as S3 wants it: AWS Signature Version 4."""

import hashlib
import hmac
import urllib.error
import urllib.request
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from local_servers.errors import NotUp

_REGION = "us-east-1"
_SCOPE = f"{_REGION}/s3/aws4_request"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the server; the query is in its canonical form."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket of an S3 server on this machine."""

    endpoint: str
    access_key: str
    secret_key: str
    name: str

    def make(self) -> None:
        """Makes the bucket, unless it is there."""
        if not self._send(Request("HEAD", f"/{self.name}")):
            self._send(Request("PUT", f"/{self.name}"))

    def notify(self, arn: str, events: list[str]) -> None:
        """Has the server announce these events to a target. Replaces what was set before."""
        wanted = "".join(f"<Event>{event}</Event>" for event in events)
        body = (
            '<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><QueueConfiguration>'
            f"<Queue>{arn}</Queue>{wanted}</QueueConfiguration></NotificationConfiguration>"
        )
        self._send(Request("PUT", f"/{self.name}", "notification=", body.encode()))

    def _send(self, request: Request) -> bool:
        """Sends it. False when there is no such bucket."""
        url = f"http://{self.endpoint}{request.path}?{request.query}".rstrip("?")
        headers = signed_headers(self, request, datetime.now(UTC))
        signed = urllib.request.Request(url, data=request.body or None, method=request.method, headers=headers)
        try:
            with open_directly(signed, timeout_s=30):
                return True
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            said = error.read().decode(errors="replace")
            raise NotUp(f"MinIO refused {request.method} {url}: {error.code} {said}") from error
        except OSError as error:
            raise NotUp(f"MinIO does not answer {request.method} {url}: {error}") from error


def open_directly(request: str | urllib.request.Request, *, timeout_s: float) -> AbstractContextManager[object]:
    """Opens it without a proxy: none stands before a server on this machine, whatever the environment says."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    response: AbstractContextManager[object] = opener.open(request, timeout=timeout_s)
    return response


def signed_headers(bucket: Bucket, request: Request, now: datetime) -> dict[str, str]:
    """The headers that prove a request to be ours."""
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(request.body).hexdigest()
    headers = {"host": bucket.endpoint, "x-amz-content-sha256": digest, "x-amz-date": moment}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"{request.method}\n{request.path}\n{request.query}\n{lines}\n{names}\n{digest}"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{day}/{_SCOPE}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{bucket.secret_key}".encode()
    for part in (day, *_SCOPE.split("/")):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{bucket.access_key}/{day}/{_SCOPE}"
    authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": authorization}
