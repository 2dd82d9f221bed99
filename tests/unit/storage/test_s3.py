"""How answers of an S3 store become our errors: the real SDK against a stub on loopback."""

import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ringtrue.settings import S3Settings
from ringtrue.storage import (
    ObjectGone,
    ObjectRefused,
    StorageAway,
    StorageMisconfigured,
    s3,
)
from ringtrue.storage.s3 import S3Store
from tests.unit.storage.certificates import loopback_certificate
from tests.unit.storage.stub_s3 import StubS3


@pytest.fixture
def store(stub: StubS3, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    monkeypatch.setattr(s3, "_BACKOFF_S", 0.001)
    monkeypatch.setattr(s3, "_READ_TIMEOUT_S", 0.3)
    for name in ("a.wav", "b.wav"):
        stub.put("recordings", name, b"data")
    return S3Store(stub.settings)


def test_user_metadata_comes_with_stat_by_lower_case_name(stub: StubS3, store: S3Store) -> None:
    stub.put("recordings", "m.wav", b"x", {"Numero_Client": "212600000001", "BRANCHE": "ADSL_INSTALL"})
    assert store.stat("recordings", "m.wav").metadata == {"numero_client": "212600000001", "branche": "ADSL_INSTALL"}


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_store_in_trouble_is_away(stub: StubS3, store: S3Store, status: int) -> None:
    stub.faults = {
        ("HEAD", "/recordings/a.wav"): (status, "Trouble"),
        ("GET", "/recordings/a.wav"): (status, "Trouble"),
        ("GET", "/recordings/b.wav"): (status, b"<html>busy</html>"),
        ("PUT", "/recordings/a.wav"): (status, "Trouble"),
    }
    for attempt in (
        lambda: store.stat("recordings", "a.wav"),
        lambda: store.get("recordings", "a.wav", None, 10),
        lambda: store.get("recordings", "b.wav", None, 10),
        lambda: store.put("recordings", "a.wav", b"x"),
    ):
        with pytest.raises(StorageAway):
            attempt()


def test_a_large_file_goes_up_in_parts(
    stub: StubS3, store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    file = tmp_path / "long.wav"
    file.write_bytes(bytes(11 << 20))
    store.put_file("recordings", "appel é/long.wav", file, {"ringtrue-md5": "abc"})
    there = store.stat("recordings", "appel é/long.wav")
    assert (there.size, there.metadata) == (11 << 20, {"ringtrue-md5": "abc"})
    assert stub.buckets["recordings"]["appel é/long.wav"].parts == 3


def test_an_object_that_the_store_does_not_take_is_refused_and_a_bucket_that_takes_none_is_named(
    stub: StubS3, store: S3Store, tmp_path: Path
) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"data")
    stub.faults[("PUT", "/recordings/a.wav")] = (400, "KeyTooLongError")
    with pytest.raises(ObjectRefused, match="KeyTooLongError"):
        store.put_file("recordings", "a.wav", file, {})
    stub.faults[("PUT", "/recordings/a.wav")] = (403, "AccessDenied")
    with pytest.raises(StorageMisconfigured, match="takes no objects"):
        store.put_file("recordings", "a.wav", file, {})


def test_slow_down_is_away_whatever_its_status(stub: StubS3, store: S3Store) -> None:
    stub.faults[("GET", "/recordings/a.wav")] = (400, "SlowDown")
    with pytest.raises(StorageAway):
        store.get("recordings", "a.wav", None, 10)


def test_a_hiccup_is_tried_again_within_the_call(stub: StubS3, store: S3Store) -> None:
    stub.buckets["recordings"]["a.wav"].data = b"healed"
    assert store.stat("recordings", "b.wav").size == 4  # the SDK has asked for the bucket's region
    stub.faults[("GET", "/recordings/a.wav")] = (503, "SlowDown")
    stub.heals_after = len(stub.requests) + 2
    assert store.get("recordings", "a.wav", None, 10) == b"healed"


def test_nobody_listening_is_away() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        settings = S3Settings(endpoint=f"127.0.0.1:{unused.getsockname()[1]}", secure=False)
        store = S3Store(settings)
        with pytest.raises(StorageAway, match="cannot be reached"):
            store.stat("recordings", "a.wav")
        with pytest.raises(StorageAway):
            list(store.list("recordings", ""))


def test_no_answer_in_time_is_away(stub: StubS3, store: S3Store) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        mute = S3Store(S3Settings(endpoint=f"127.0.0.1:{silent.getsockname()[1]}", secure=False))
        with pytest.raises(StorageAway):
            mute.stat("recordings", "a.wav")


def test_an_answer_that_does_not_begin_is_asked_for_again_within_the_call(stub: StubS3, store: S3Store) -> None:
    assert store.stat("recordings", "b.wav").size == 4  # the SDK has asked for the bucket's region
    stub.stalls = ["silence", "silence"]
    assert store.get("recordings", "a.wav", None, 10) == b"data"


def test_a_fetch_that_stalls_half_way_is_away_in_time_and_whole_when_it_is_tried_again(
    stub: StubS3, store: S3Store
) -> None:
    stub.put("recordings", "long.wav", b"0123456789" * 1000)
    assert store.stat("recordings", "long.wav").size == 10_000
    stub.stalls = ["half"]
    with pytest.raises(StorageAway, match="timed out"):
        store.get("recordings", "long.wav", None, 10_000)
    assert store.get("recordings", "long.wav", None, 10_000) == b"0123456789" * 1000


def test_an_answer_that_breaks_off_is_away(stub: StubS3, store: S3Store) -> None:
    def break_off(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=break_off, args=(server,))
        thread.start()
        broken = S3Store(S3Settings(endpoint=f"127.0.0.1:{server.getsockname()[1]}", secure=False))
        try:
            with pytest.raises(StorageAway):
                broken.get("recordings", "a.wav", None, 1000)
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_one_refused_object_is_its_own_fault_when_others_are_given_out(stub: StubS3, store: S3Store) -> None:
    stub.faults = {
        ("HEAD", "/recordings/b.wav"): (403, "AccessDenied"),
        ("GET", "/recordings/b.wav"): (403, "AccessDenied"),
    }
    with pytest.raises(ObjectRefused) as refused:
        store.stat("recordings", "b.wav")
    assert refused.value.reason == "object_refused"
    with pytest.raises(ObjectRefused):
        store.get("recordings", "b.wav", None, 10)


def test_a_bucket_that_gives_out_nothing_is_a_fault_of_the_settings(stub: StubS3, store: S3Store) -> None:
    stub.faults = {("HEAD", f"/recordings/{name}"): (403, "AccessDenied") for name in ("a.wav", "b.wav")}
    with pytest.raises(StorageMisconfigured, match="none of its objects"):
        store.stat("recordings", "b.wav")


def test_a_bucket_that_may_not_be_listed_is_a_fault_of_the_settings(stub: StubS3, store: S3Store) -> None:
    stub.faults = {
        ("HEAD", "/recordings/a.wav"): (403, "AccessDenied"),
        ("GET", "/recordings"): (403, "AccessDenied"),
    }
    with pytest.raises(StorageMisconfigured):
        store.stat("recordings", "a.wav")
    with pytest.raises(StorageMisconfigured):
        list(store.list("recordings", ""))


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"])
def test_wrong_keys_are_a_fault_of_the_settings(stub: StubS3, store: S3Store, code: str) -> None:
    stub.faults[("GET", "/recordings/a.wav")] = (403, code)
    with pytest.raises(StorageMisconfigured, match=code):
        store.get("recordings", "a.wav", None, 10)


def test_trouble_while_asking_whose_fault_it_is_is_away(stub: StubS3, store: S3Store) -> None:
    stub.faults = {
        ("HEAD", "/recordings/a.wav"): (403, "AccessDenied"),
        ("GET", "/recordings"): (503, "SlowDown"),
    }
    with pytest.raises(StorageAway):
        store.stat("recordings", "a.wav")


def test_a_missing_object_is_gone_only_when_its_bucket_exists(stub: StubS3, store: S3Store) -> None:
    with pytest.raises(ObjectGone):
        store.stat("recordings", "missing.wav")
    del stub.buckets["recordings"]
    with pytest.raises(StorageMisconfigured, match="no bucket"):
        store.stat("recordings", "missing.wav")


def test_a_page_of_html_is_no_s3_store(stub: StubS3, store: S3Store) -> None:
    stub.faults[("GET", "/recordings")] = (200, b"<html><p>Welcome</html>")
    with pytest.raises(StorageMisconfigured, match="S3 store"):
        list(store.list("recordings", ""))


def test_a_wrong_endpoint_or_bucket_name_is_named(store: S3Store) -> None:
    with pytest.raises(StorageMisconfigured, match="endpoint"):
        S3Store(S3Settings(endpoint="http://example.invalid:9000/path"))
    with pytest.raises(StorageMisconfigured, match="not the name of a bucket"):
        list(store.list("A_B..c", ""))


def test_the_secret_key_is_in_no_message(stub: StubS3, store: S3Store) -> None:
    stub.faults[("GET", "/recordings/a.wav")] = (403, "SignatureDoesNotMatch")
    with pytest.raises(StorageMisconfigured) as wrong:
        store.get("recordings", "a.wav", None, 10)
    assert "synthetic" not in str(wrong.value)


def test_tls_trusts_the_operators_own_authority_and_no_stranger(tmp_path: Path) -> None:
    certificate, context = loopback_certificate(tmp_path)
    stub = StubS3(buckets={"recordings": {}})
    stub.put("recordings", "a.wav", b"data")
    server = stub.start(context)
    try:
        secure = stub.settings.model_copy(update={"secure": True})
        trusting = S3Store(secure.model_copy(update={"ca_file": certificate}))
        assert trusting.get("recordings", "a.wav", None, 10) == b"data"
        with pytest.raises(StorageAway, match="RINGTRUE_S3__CA_FILE"):
            S3Store(secure).get("recordings", "a.wav", None, 10)
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_that_speaks_no_tls_is_away_with_the_setting_named(stub: StubS3) -> None:
    with pytest.raises(StorageAway, match="RINGTRUE_S3__SECURE"):
        S3Store(stub.settings.model_copy(update={"secure": True})).stat("recordings", "a.wav")


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_an_unusable_file_of_certificates_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(StorageMisconfigured, match=r"RINGTRUE_S3__CA_FILE=.*ca\.pem"):
        S3Store(S3Settings(ca_file=file))
