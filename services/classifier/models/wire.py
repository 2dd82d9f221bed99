"""HTTP to a model's server: a POST that is answered within its time, or is not.

A read timeout alone lets a server that drips one byte now and then hold a thread for ever. Here the whole exchange has
one deadline: every read of the head and of the body may only wait for what is left of it. Certificates are verified,
always; redirects are not followed, for they would take the key elsewhere. Proxies are those of the environment
(HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from ringtrue.errors import Away, Misconfigured
from services.classifier.models.metrics import REQUEST_SECONDS, REQUESTS
from services.classifier.models.port import TooLate

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PREFIX: Final = "RINGTRUE_CLASSIFIER__"

_CONNECT_TIMEOUT_S = 5.0
#: Connections kept, for threads that ask side by side.
_CONNECTIONS = 64
#: An answer is a few hundred bytes; what is longer is cut off here, and then is no JSON.
_LONGEST_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_SAID_LETTERS = 500
#: What urllib3 puts before its words.
_CONNECTION = re.compile(r"^\w+\(host=[^)]*\): ")


class Unreachable(Away):
    """The server cannot be reached, or did not answer in time.

    Args:
        message: What happened.
        lasting: By all appearances it will not heal: its name is unknown, its certificate is not trusted.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class _Late(Unreachable, TooLate):
    """No answer in time, to a request that was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Connections to one server. Used by several threads at once.

    Args:
        url: Where requests go; only its scheme and host matter here.
        timeout_s: Of one request, from connecting to the last byte of the answer.
        ca_file: The certificates to trust, instead of the system's.

    Raises:
        Misconfigured: The certificates cannot be read, or the URL is none.
    """

    def __init__(self, url: str, timeout_s: float, ca_file: Path | None = None) -> None:
        try:
            self.where = address(url)
            self._manager = _manager(url, _trust(ca_file))
        except ValueError as error:
            # What stands before the host or behind the path may be a secret.
            shown = url.split("@")[-1].split("?")[0]
            raise Misconfigured(
                f"{PREFIX}ENDPOINT={shown!r}: {error}; http(s)://HOST[:PORT]/PATH is expected"
            ) from error
        self._timeout_s = timeout_s

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Sends a request. One whose connection breaks is sent once more, for kept connections may just have ended.

        Raises:
            Unreachable: There is no answer, or not in time.
        """
        deadline = time.monotonic() + self._timeout_s
        try:
            with REQUEST_SECONDS.time():
                try:
                    answer = self._exchange(url, headers, body, deadline)
                except urllib3.exceptions.ProtocolError:
                    answer = self._exchange(url, headers, body, deadline)
        except urllib3.exceptions.HTTPError as error:
            late = isinstance(error, urllib3.exceptions.ReadTimeoutError)
            REQUESTS.labels("late" if late else "unreachable").inc()
            raise self._unreachable(error, late) from error
        REQUESTS.labels(_outcome(answer.status)).inc()
        return answer

    def close(self) -> None:
        """Ends the connections that are kept."""
        self._manager.clear()

    def _exchange(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> Answer:
        left = max(0.001, deadline - time.monotonic())
        response = self._manager.urlopen(
            "POST",
            url,
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(connect=min(_CONNECT_TIMEOUT_S, left), total=left),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        content = b""
        try:
            # To the very end: only there does urllib3 notice that less came than was announced.
            while len(content) < _LONGEST_BYTES and (chunk := response.read(_CHUNK_BYTES)):
                content += chunk
        finally:
            response.close() if len(content) >= _LONGEST_BYTES else response.release_conn()
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, content)

    def _unreachable(self, error: urllib3.exceptions.HTTPError, late: bool) -> Unreachable:
        if late:
            return _Late(f"{self.where} did not answer within {self._timeout_s:g} s ({PREFIX}TIMEOUT_S)")
        cause = error.original_error if isinstance(error, urllib3.exceptions.ProxyError) else error
        words = f"{self.where} cannot be reached: {_CONNECTION.sub('', str(error))}"
        if isinstance(cause, urllib3.exceptions.SSLError):
            untrusted = isinstance(cause.args[0] if cause.args else None, ssl.SSLCertVerificationError)
            return Unreachable(f"{words}; does {PREFIX}CA_FILE fit this server?", lasting=untrusted)
        unknown = isinstance(cause.__cause__, socket.gaierror) and cause.__cause__.errno == socket.EAI_NONAME
        return Unreachable(words, lasting=unknown)


def address(url: str) -> str:
    """Scheme, host and port of a URL: how the server is named to people.

    Raises:
        ValueError: It is no URL of a server.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is no address of a server")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("it must not hold names, passwords or questions")
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def said(body: bytes, secret: str = "") -> str:
    """What a server said, for people: short, on one line, without our key."""
    text = body.decode("utf-8", "replace")
    if secret:
        text = text.replace(secret, "***")
    return re.sub(r"\s+", " ", text).strip()[:_SAID_LETTERS] or "nothing"


def _outcome(status: int) -> str:
    if status == 429:
        return "throttled"
    return "failed" if status >= 500 else "answered" if status < 300 else "refused"


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # of which a file that holds no certificate is one
        problem = f"{PREFIX}CA_FILE={ca_file}: {error.strerror or error}; certificates in PEM are expected"
        raise Misconfigured(problem) from error


def _manager(url: str, trust: ssl.SSLContext) -> urllib3.PoolManager:
    """The pools for a server, behind the environment's proxy for it, if any."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.netloc):
        credentials = urlsplit(proxy)
        basic = f"{credentials.username}:{credentials.password}" if credentials.username else None
        manager: urllib3.PoolManager = urllib3.ProxyManager(
            proxy if "://" in proxy else f"http://{proxy}",
            proxy_headers=urllib3.make_headers(proxy_basic_auth=basic),
            ssl_context=trust,
            maxsize=_CONNECTIONS,
        )
    else:
        manager = urllib3.PoolManager(ssl_context=trust, maxsize=_CONNECTIONS)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


class _Clocked(io.RawIOBase):
    """A socket's bytes, until a point in time."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Clocked(self.fp.detach(), sock, deadline))


class _Connection(urllib3.connection.HTTPConnection):
    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as in urllib3 itself
        # The timeout is by now what is left of the total.
        assert isinstance(self.timeout, float)  # noqa: S101 - each request has a total
        deadline = time.monotonic() + self.timeout
        self.response_class = partial(_Response, deadline=deadline)  # type: ignore[assignment]  # it is only called
        try:
            return super().getresponse()
        finally:
            del self.response_class  # when it connects again, a proxy's answer has no deadline of this one


class _SecureConnection(_Connection, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
