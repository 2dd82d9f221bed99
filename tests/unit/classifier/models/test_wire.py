import select
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from ringtrue.errors import Away, Misconfigured
from services.classifier.models.bedrock import BedrockModel
from services.classifier.models.openai import OpenAIModel
from services.classifier.models.port import ChatModel
from services.classifier.models.remote import RemoteModel
from services.classifier.models.wire import Unreachable, Wire
from tests.unit.classifier.models.stub import REQUEST, Stub, serving
from tests.unit.storage.certificates import loopback_certificate

Maker = Callable[[str, Path | None], RemoteModel]


def _bedrock(url: str, ca_file: Path | None) -> RemoteModel:
    return BedrockModel("any", region="eu-west-3", endpoint=url, api_key="synthetic", ca_file=ca_file, timeout_s=2)


def _openai(url: str, ca_file: Path | None) -> RemoteModel:
    return OpenAIModel("any", endpoint=url, ca_file=ca_file, timeout_s=2)


@pytest.mark.parametrize("make", [_bedrock, _openai])
def test_a_certificate_is_verified(tmp_path: Path, make: Maker) -> None:
    ca_file, context = loopback_certificate(tmp_path)
    with serving(Stub(), context) as stub:
        trusting: ChatModel = make(stub.url, ca_file)
        assert trusting.complete(REQUEST).text == '{"outcome": 3}'
        trusting.close()
        other = make(stub.url, None)
        with pytest.raises(Away, match="RINGTRUE_CLASSIFIER__CA_FILE"):
            other.complete(REQUEST)
        with pytest.raises(Misconfigured, match="RINGTRUE_CLASSIFIER__CA_FILE"):
            other.check()
        other.close()
        assert len(stub.asked) == 1


def test_a_certificate_of_another_host_is_not_taken(tmp_path: Path) -> None:
    ca_file, context = loopback_certificate(tmp_path)
    with serving(Stub(), context) as stub:
        wire = Wire(stub.url, 2, ca_file)
        with pytest.raises(Unreachable, match=r"not valid for"):
            wire.post(stub.url.replace("127.0.0.1", "localhost"), {}, b"{}")
        wire.close()


def test_bedrock_trusts_what_aws_s_own_setting_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca_file, context = loopback_certificate(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(ca_file))
    with serving(Stub(), context) as stub:
        model = _bedrock(stub.url, None)
        assert model.complete(REQUEST).text == '{"outcome": 3}'
        model.close()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_certificates_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)
    with pytest.raises(Misconfigured, match=r"RINGTRUE_CLASSIFIER__CA_FILE=.*ca\.pem: .*PEM"):
        Wire("https://localhost", 1, ca_file)


def test_a_connection_is_kept_for_the_next_request(stub: Stub) -> None:
    wire = Wire(stub.url, 2)
    for _ in range(3):
        wire.post(f"{stub.url}/v1/chat/completions", {}, b"{}")
    assert len({asked.client for asked in stub.asked}) == 1
    wire.close()


def test_a_server_that_is_not_there_is_away(stub: Stub) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unreachable, match="cannot be reached") as away:
        Wire(url, 1).post(url, {}, b"{}")
    assert not away.value.lasting


@pytest.mark.parametrize(("error", "lasting"), [(socket.EAI_NONAME, True), (socket.EAI_AGAIN, False)])
def test_a_name_that_nobody_knows_will_not_heal(monkeypatch: pytest.MonkeyPatch, error: int, lasting: bool) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(error, "no such name")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    with pytest.raises(Unreachable) as away:
        Wire("http://model.test", 1).post("http://model.test", {}, b"{}")
    assert away.value.lasting == lasting


class _Tunnels(BaseHTTPRequestHandler):
    """A proxy that only connects, and ends tunnels in which nothing happens."""

    targets: ClassVar[list[str]] = []

    def do_CONNECT(self) -> None:
        self.targets.append(self.path)
        host, _, port = self.path.partition(":")
        self.send_response(200)
        self.end_headers()
        with socket.create_connection((host, int(port))) as far:
            near = self.connection
            while ready := select.select([near, far], [], [], 0.3)[0]:
                for side in ready:
                    if not (data := side.recv(65536)):
                        return
                    (far if side is near else near).sendall(data)

    def log_message(self, *_: object) -> None:
        """Requests are no news."""


def test_through_a_proxy_the_certificate_is_verified_and_a_tunnel_that_ended_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca_file, context = loopback_certificate(tmp_path)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _Tunnels)
    proxy.daemon_threads = True
    threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.server_address[1]}")
    try:
        with serving(Stub(), context) as stub:
            wire = Wire(stub.url, 1, ca_file)
            for pause_s in (1.1, 0):
                assert wire.post(f"{stub.url}/v1/chat/completions", {}, b"{}").status == 200
                time.sleep(pause_s)  # until the tunnel has ended, and the first answer's time has passed
            assert _Tunnels.targets == [stub.url.removeprefix("https://")] * 2
            with pytest.raises(Unreachable, match="certificate"):
                Wire(stub.url, 2).post(f"{stub.url}/v1/chat/completions", {}, b"{}")
            wire.close()
    finally:
        proxy.shutdown()
        proxy.server_close()


def test_the_environment_s_proxy_is_used_except_where_it_says_no(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", stub.url.replace("//", "//name:password@"))
    wire = Wire("http://model.test", 1)
    assert wire.post("http://model.test/v1/chat/completions", {}, b"{}").status == 200
    assert stub.asked[0].path == "http://model.test/v1/chat/completions"
    assert stub.asked[0].headers["proxy-authorization"].startswith("Basic ")
    wire.close()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert Wire(stub.url, 1).post(f"{stub.url}/v1/chat/completions", {}, b"{}").status == 200
    assert stub.asked[1].path == "/v1/chat/completions"
