"""Every hostile file ends as the error that it deserves, in bounded time and memory, and never as silence."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ringtrue.storage import FolderStore, ObjectTooLarge
from services.ingest import segment
from services.ingest.audio.decode import Recording, Undecodable
from tests.hostile.bases import NAMES, base
from tests.hostile.bench import Bench
from tests.hostile.corpus import CORPUS, SOUND

Record = Callable[[str, object], None]

#: Samples of a tone at -6 dBFS reach this, whatever the codec.
_LOUD = 3_000
#: What a file may cost the child at most. CPU time, because others may be at work on the machine.
_MOST_CPU_S, _MOST_MB = 30, 600


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.hostile_whole] if one.whole else []) for name, one in CORPUS.items()]
)
def test_a_hostile_file_ends_as_it_should(name: str, bench: Bench, everything: bool, record_property: Record) -> None:
    hostile = CORPUS[name]
    record_property("hostile", name)
    record_property("what", hostile.what)
    expected = hostile.whole_ends if everything and hostile.whole_ends else hostile.ends
    seen = bench.decode(name, hostile.make())
    record_property("ended", seen.ended)
    record_property("seconds", f"{seen.seconds:.2f}")
    record_property("cpu", f"{seen.cpu_seconds:.2f}")
    record_property("megabytes", str(seen.megabytes))
    assert seen.ended == expected
    if isinstance(seen.answer, Undecodable):
        assert seen.answer.message.startswith(f"{name}: ")
        assert seen.answer.message.endswith(".")
    else:
        assert expected.startswith(SOUND)
        assert max(abs(int(channel.min())) for channel in seen.answer.channels) > _LOUD
    if everything:
        assert seen.cpu_seconds < _MOST_CPU_S
        assert seen.megabytes < _MOST_MB


def test_a_child_of_a_hostile_file_s_decoder_is_still_there_for_the_next(bench: Bench) -> None:
    for name in NAMES:
        assert isinstance(bench.decode(name, base(name)).answer, Recording)


def test_a_sparse_file_of_2_gb_is_refused_by_its_size_before_it_is_read(
    tmp_path: Path, record_property: Record
) -> None:
    with (tmp_path / "sparse.wav").open("wb") as file:
        file.write(base("pcm16")[:44])
        os.truncate(file.fileno(), 2_000_000_000)
    record_property("hostile", "sparse.wav")
    record_property("what", "WAV of 2 GB of nothing, from the store")
    with pytest.raises(ObjectTooLarge):
        FolderStore(tmp_path, "calls").get("calls", "sparse.wav", None, segment._RECORDING_BYTES)
    record_property("ended", "ObjectTooLarge")
