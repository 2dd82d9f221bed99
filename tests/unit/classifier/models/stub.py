"""A model's server on loopback that speaks Bedrock's Converse and OpenAI's chat completions, and fails as it is told.

What happens to the next requests stands in `Stub.script`, one entry each; when it is empty, or `None` is next, the
request is answered well. Faults are values: `Reply` for any answer, `Hang`, `Drip`, `Break`.
"""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote

from services.classifier.models.port import Request


@dataclass(frozen=True)
class Reply:
    """An answer: a JSON document, or bytes as they are."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hang:
    """No answer at all, until the server ends."""


@dataclass(frozen=True)
class Drip:
    """A good answer of which a byte comes now and then: of the head already, or of the body only."""

    head: bool = False


@dataclass(frozen=True)
class Break:
    """The connection ends: before the answer, or in the midst of it."""

    midst: bool = False


@dataclass(frozen=True)
class Asked:
    """A request as it came, and the port of the client's connection."""

    client: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes


@dataclass
class Stub:
    """The server's state; `url` is where it listens."""

    script: list[Reply | Hang | Drip | Break | None] = field(default_factory=list)
    #: What becomes of all requests for which nothing stands in the script.
    always: Reply | Hang | Drip | Break | None = None
    #: What a good answer says.
    says: str = '{"outcome": 3}'
    stop: str = ""
    #: Waits before each answer, in seconds.
    latency_s: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def converse(self, reason: str = "end_turn", **usage: int) -> dict[str, Any]:
        """Converse's answer."""
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": self.says}]}},
            "stopReason": reason,
            "usage": {"inputTokens": 100, "outputTokens": 8, "totalTokens": 108} | usage,
            "metrics": {"latencyMs": 1},
        }

    def chat(self, reason: str | None = "stop") -> dict[str, Any]:
        """The answer of chat completions."""
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "tiny-of-the-server",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": self.says}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 8, "total_tokens": 108},
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave early are what many of the tests are about."""


@contextmanager
def serving(stub: Stub, tls: ssl.SSLContext | None = None) -> Iterator[Stub]:
    """Listens on a free loopback port while the block runs."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": stub}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    stub.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    stub: ClassVar[Stub]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        stub = self.stub
        raw = self.rfile.read(int(self.headers.get("content-length", "0")))
        path = unquote(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        stub.asked.append(Asked(self.client_address[1], self.path, headers, json.loads(raw), raw))
        if stub.latency_s:
            time.sleep(stub.latency_s)
        fault = stub.script.pop(0) if stub.script else stub.always
        good = stub.converse() if path.endswith("/converse") else stub.chat()
        match fault:
            case None:
                self._send(Reply(200, good))
            case Reply():
                self._send(fault)
            case Hang():
                stub.ended.wait()
            case Break(midst):
                if midst:
                    self._send(Reply(200, good), cut=20)
                self.close_connection = True
            case Drip(head):
                self._drip(Reply(200, good), head=head)

    def _send(self, reply: Reply, cut: int | None = None) -> None:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])

    def _drip(self, reply: Reply, *, head: bool) -> None:
        body = json.dumps(reply.body).encode()
        first = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        whole = first + body
        started = 0 if head else len(first)
        self.wfile.write(whole[:started])
        for at in range(started, len(whole)):
            if self.stub.ended.wait(0.02):
                return
            try:
                self.wfile.write(whole[at : at + 1])
            except OSError:  # the client has had enough
                break
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Requests are no news."""


#: A request with everything that one can have.
REQUEST = Request(
    system="You judge calls.",
    examples=(('{"words": ["allô"]}', '{"outcome": 3}'), ('{"words": ["non"]}', '{"outcome": 1}')),
    user='{"words": ["السلام", "عليكم"]}',
    schema={"type": "object", "properties": {"outcome": {"enum": [0, 1, 2, 3, 4]}}, "required": ["outcome"]},
    max_tokens=64,
)
