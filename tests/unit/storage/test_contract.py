"""What every adapter of the object storage port must do. Each test runs on each adapter."""

import time

import pytest

from ringtrue.storage import ObjectChanged, ObjectGone, ObjectTooLarge, Source, StorageMisconfigured


def put(source: Source, key: str, data: bytes) -> str:
    source.store.put(source.bucket, source.prefix + key, data)
    return source.prefix + key


def keys(source: Source, prefix: str = "", since_ms: int | None = None) -> list[str]:
    found = source.store.list(source.bucket, source.prefix + prefix, since_ms)
    return [info.key.removeprefix(source.prefix) for info in found]


def test_what_was_put_is_got(source: Source) -> None:
    key = put(source, "2026/11/call.wav", b"RIFF")
    info = source.store.stat(source.bucket, key)
    assert (info.bucket, info.key, info.size) == (source.bucket, key, 4)
    assert abs(info.modified_ms - time.time() * 1000) < 5000
    assert source.store.get(source.bucket, key, info.etag, max_bytes=4) == b"RIFF"
    assert source.store.get(source.bucket, key, None, max_bytes=100) == b"RIFF"


def test_a_large_object_comes_in_pieces(source: Source) -> None:
    data = bytes(range(256)) * 12_000
    key = put(source, "long.wav", data)
    pieces = list(source.store.stream(source.bucket, key, None, max_bytes=len(data)))
    assert b"".join(pieces) == data
    assert max(len(piece) for piece in pieces) <= len(data) // 2


def test_an_empty_object_is_an_object(source: Source) -> None:
    key = put(source, "empty.wav", b"")
    info = source.store.stat(source.bucket, key)
    assert info.size == 0
    assert source.store.get(source.bucket, key, info.etag, max_bytes=10) == b""


@pytest.mark.parametrize("name", ["appel é 1.wav", "a+b & c=d.wav", "نداء.wav", "100%25.wav", "#1?.wav"])
def test_a_key_keeps_its_spaces_accents_and_signs(source: Source, name: str) -> None:
    key = put(source, name, name.encode())
    assert keys(source) == [name]
    assert source.store.get(source.bucket, key, None, 100) == name.encode()


def test_composed_and_decomposed_accents_are_two_keys(source: Source) -> None:
    put(source, "\u00e9.wav", b"one")
    put(source, "e\u0301.wav", b"two")
    assert keys(source) == ["e\u0301.wav", "\u00e9.wav"]


def test_a_key_that_is_not_there_is_gone(source: Source) -> None:
    put(source, "there.wav", b"x")
    for key in ("missing.wav", "there.wav/below", "../there.wav", "a/./b"):
        with pytest.raises(ObjectGone) as gone:
            source.store.stat(source.bucket, source.prefix + key)
        assert gone.value.reason == "object_gone"
        with pytest.raises(ObjectGone):
            source.store.get(source.bucket, source.prefix + key, None, 100)


def test_another_version_is_not_given_out(source: Source) -> None:
    key = put(source, "call.wav", b"one")
    etag = source.store.stat(source.bucket, key).etag
    put(source, "call.wav", b"two!")
    with pytest.raises(ObjectChanged):
        source.store.get(source.bucket, key, etag, 100)
    assert source.store.stat(source.bucket, key).etag != etag


def test_more_than_the_caller_takes_is_not_read(source: Source) -> None:
    key = put(source, "call.wav", b"x" * 1001)
    with pytest.raises(ObjectTooLarge):
        source.store.get(source.bucket, key, None, max_bytes=1000)
    assert len(source.store.get(source.bucket, key, None, max_bytes=1001)) == 1001


def test_a_listing_is_sorted_by_bytes_across_pages_and_folders(source: Source) -> None:
    names = ["b.wav", "a/b.wav", "a.wav", "a-1.wav", "a/a/z.wav", "a0.wav", "Z.wav", "é.wav", "ﬀ.wav", "𝄞.wav"]
    for name in names:
        put(source, name, b"x")
    assert keys(source) == sorted(names, key=str.encode)


def test_a_prefix_need_not_end_at_a_slash(source: Source) -> None:
    for name in ("2026/10/a.wav", "2026/11/b.wav", "2026/1x.wav", "2025/1/c.wav"):
        put(source, name, b"x")
    assert keys(source, "2026/1") == ["2026/10/a.wav", "2026/11/b.wav", "2026/1x.wav"]
    assert keys(source, "2026/11/") == ["2026/11/b.wav"]
    assert keys(source, "2027") == []


def test_a_listing_can_leave_out_what_was_written_before(source: Source) -> None:
    key = put(source, "call.wav", b"x")
    written_ms = source.store.stat(source.bucket, key).modified_ms
    assert keys(source, since_ms=written_ms - 2000) == ["call.wav"]
    assert keys(source, since_ms=written_ms + 2000) == []


def test_listing_and_stat_name_the_same_version(source: Source) -> None:
    key = put(source, "call.wav", b"x")
    (listed,) = source.store.list(source.bucket, source.prefix)
    stated = source.store.stat(source.bucket, key)
    assert (listed.etag, listed.size) == (stated.etag, stated.size)


def test_a_missing_bucket_is_a_fault_of_the_settings_not_of_the_object(source: Source) -> None:
    for attempt in (
        lambda: source.store.stat("no-such-bucket", "a.wav"),
        lambda: source.store.get("no-such-bucket", "a.wav", None, 100),
        lambda: source.store.put("no-such-bucket", "a.wav", b"x"),
        lambda: list(source.store.list("no-such-bucket", "")),
    ):
        with pytest.raises(StorageMisconfigured):
            attempt()
