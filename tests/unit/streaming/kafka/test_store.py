"""The cache of keyed state on this machine's disk."""

from pathlib import Path

import pytest

from ringtrue.streaming.kafka.store import PartitionStore
from ringtrue.streaming.port import Fenced, StateChange

NOW_MS = 1_800_000_000_000


def opened(path: Path, *, identity: str = "topic-1", oldest_ms: int = 0) -> PartitionStore:
    return PartitionStore(path, "calls.state", 3, identity, oldest_ms)


def filled(path: Path) -> None:
    """A cache that was true at NOW_MS, of two entries."""
    store = opened(path)
    store.reflect([StateChange(3, "a", b"A", 7), StateChange(3, "b", b"B")], 12, NOW_MS)
    store.close()


def entries(store: PartitionStore) -> dict[str, bytes]:
    return dict(store.table.scan(""))


def test_what_is_reflected_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    filled(tmp_path / "3.sqlite")
    store = opened(tmp_path / "3.sqlite", oldest_ms=NOW_MS)
    assert store.offset == 12
    assert entries(store) == {"a": b"A", "b": b"B"}
    assert list(store.table.due(7, 10)) == [("a", b"A")]


def test_a_deletion_is_reflected(tmp_path: Path) -> None:
    filled(tmp_path / "3.sqlite")
    store = opened(tmp_path / "3.sqlite")
    store.reflect([StateChange(3, "a", None)], 14, NOW_MS)
    assert entries(store) == {"b": b"B"}
    assert store.offset == 14


def test_the_offset_never_goes_back(tmp_path: Path) -> None:
    store = opened(tmp_path / "3.sqlite")
    store.reflect([], 12, NOW_MS)
    store.reflect([StateChange(3, "a", b"A")], 5, NOW_MS)
    assert store.offset == 12


def test_a_cache_of_another_topic_is_emptied(tmp_path: Path) -> None:
    """A topic that was deleted and made again has another identity under the same name."""
    filled(tmp_path / "3.sqlite")
    store = opened(tmp_path / "3.sqlite", identity="topic-2")
    assert (store.offset, entries(store)) == (0, {})


def test_a_cache_that_may_have_missed_deletions_is_emptied(tmp_path: Path) -> None:
    filled(tmp_path / "3.sqlite")
    store = opened(tmp_path / "3.sqlite", oldest_ms=NOW_MS + 1)
    assert (store.offset, entries(store)) == (0, {})


def test_a_cache_that_was_never_filled_to_its_end_is_begun_anew(tmp_path: Path) -> None:
    """Its oldest part may be of before deletions that the topic has forgotten since."""
    store = opened(tmp_path / "3.sqlite")
    store.reflect([StateChange(3, "a", b"A")], 12)
    store.close()
    again = opened(tmp_path / "3.sqlite", oldest_ms=1)
    assert (again.offset, entries(again)) == (0, {})


def test_who_opened_the_file_before_can_change_nothing_any_more(tmp_path: Path) -> None:
    old = opened(tmp_path / "3.sqlite")
    new = opened(tmp_path / "3.sqlite")
    new.reflect([StateChange(3, "a", b"new")], 20, NOW_MS)
    with pytest.raises(Fenced, match=r"calls\.state/3"):
        old.reflect([StateChange(3, "a", b"late")], 12, NOW_MS)
    assert entries(new) == {"a": b"new"}


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "3.sqlite").write_bytes(b"this is no database, and longer than a header" * 100)
    store = opened(tmp_path / "3.sqlite")
    store.reflect([StateChange(3, "a", b"A")], 1, NOW_MS)
    assert entries(store) == {"a": b"A"}


def test_emptying_begins_at_the_beginning_of_the_topic(tmp_path: Path) -> None:
    filled(tmp_path / "3.sqlite")
    store = opened(tmp_path / "3.sqlite")
    store.empty()
    assert (store.offset, entries(store)) == (0, {})
