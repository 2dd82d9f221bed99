import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from pebble import ProcessFuture, ProcessPool
from pebble.pool.base_pool import PoolStatus

from examples import synth
from ringtrue.errors import Away
from services.ingest.audio.decode import DecodeLimits, Recording, Undecodable
from services.ingest.audio.decoder_process import DecoderPool

GOOD = ("good.wav", synth.encoded(synth.tone([425], 500), "ulaw"))


def long_gsm(minutes: int) -> bytes:
    """A file of a few kilobytes a second that takes about 40 ms of CPU a minute; its header has no size."""
    data = synth.encoded(synth.tone([425], 60_000), "gsm")
    start = data.index(b"data") + 8
    return data[: start - 4] + bytes(4) + data[start:] * minutes


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(workers=2, limits=DecodeLimits(cpu_seconds=20, wall_seconds=30)) as warm:
        yield warm


def decoded(pool: DecoderPool, files: Sequence[tuple[str, bytes]]) -> list[Recording | Undecodable]:
    """What comes of files with these names and contents."""
    with pool.folder() as folder:
        places = [(name, folder / str(number)) for number, (name, _) in enumerate(files)]
        for (_, place), (_, data) in zip(places, files, strict=True):
            place.write_bytes(data)
        return pool.decode_many(places)


def test_answers_come_in_the_order_of_the_files_and_a_bad_one_harms_no_other(pool: DecoderPool) -> None:
    answers = decoded(pool, [GOOD, ("empty.wav", b""), GOOD, ("text.wav", b"no sound\n")])
    assert [type(answer) for answer in answers] == [Recording, Undecodable, Recording, Undecodable]
    assert [answer.reason for answer in answers if isinstance(answer, Undecodable)] == ["empty", "text"]
    assert isinstance(answers[2], Recording)
    assert (answers[2].duration_ms, answers[2].codec) == (500, "WAV/ULAW")


def test_no_damage_to_a_file_makes_anything_but_an_answer(pool: DecoderPool) -> None:
    randomness = random.Random(5)
    files = []
    for codec in sorted(synth.CODECS):
        whole = synth.encoded(synth.vowels(400, 1), codec)
        for number in range(25):
            damaged = bytearray(whole)
            for _ in range(randomness.choice([1, 4, 40])):
                damaged[int(randomness.random() ** 3 * len(damaged))] = randomness.randrange(256)
            files.append((f"{number}.{codec}", bytes(damaged)))
    for (name, _), answer in zip(files, decoded(pool, files), strict=True):
        if isinstance(answer, Undecodable):
            assert answer.message.startswith(name)
        else:
            assert all(len(channel) for channel in answer.channels)


@pytest.mark.parametrize(("sent", "expected"), [(signal.SIGSEGV, Undecodable), (signal.SIGKILL, Recording)])
def test_a_child_that_dies_answers_for_its_file_alone(sent: signal.Signals, expected: type) -> None:
    others = set(multiprocessing.active_children())
    with DecoderPool(workers=1) as pool:
        decoded(pool, [GOOD])
        answers: list[Recording | Undecodable] = []
        files = [("long.wav", long_gsm(60)), GOOD]
        thread = threading.Thread(target=lambda: answers.extend(decoded(pool, files)))
        thread.start()
        time.sleep(0.3)
        for child in set(multiprocessing.active_children()) - others:
            assert child.pid is not None
            os.kill(child.pid, sent)
        thread.join(timeout=60)
        assert isinstance(answers[0], expected)
        assert isinstance(answers[1], Recording)
        if isinstance(answers[0], Undecodable):
            assert answers[0].reason == "decoder_died"


def test_a_child_that_dies_idle_is_replaced() -> None:
    others = set(multiprocessing.active_children())
    with DecoderPool(workers=1) as pool:
        decoded(pool, [GOOD])
        for child in set(multiprocessing.active_children()) - others:
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            child.join()
        assert isinstance(decoded(pool, [GOOD])[0], Recording)


def test_a_task_that_is_handed_over_when_the_pool_breaks_is_done_by_the_next_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule = ProcessPool.schedule

    def too_late(self: ProcessPool, *_: object, **__: object) -> ProcessFuture[object]:
        monkeypatch.setattr(ProcessPool, "schedule", schedule)
        self._context.status = PoolStatus.ERROR
        return ProcessFuture()

    with DecoderPool(workers=1) as pool:
        decoded(pool, [GOOD])
        monkeypatch.setattr(ProcessPool, "schedule", too_late)
        assert isinstance(decoded(pool, [GOOD])[0], Recording)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (DecodeLimits(wall_seconds=1.0), "too_slow"),
        (DecodeLimits(cpu_seconds=0), "too_slow"),
        (DecodeLimits(memory_mb=8), "too_large"),
    ],
)
def test_a_file_that_costs_too_much_is_refused_and_the_pool_goes_on(limits: DecodeLimits, reason: str) -> None:
    with DecoderPool(workers=1, limits=limits) as pool:
        expensive, cheap = decoded(pool, [("bomb.wav", long_gsm(90)), GOOD])
        assert isinstance(expensive, Undecodable)
        assert expensive.reason == reason
        assert expensive.message.startswith("bomb.wav: ")
        assert isinstance(cheap, Recording)


def test_a_pool_that_was_never_used_closes() -> None:
    DecoderPool().close()


def test_a_recording_that_came_from_a_child_is_the_same_as_one_decoded_here(pool: DecoderPool) -> None:
    answer = decoded(pool, [("a.flac", synth.encoded(synth.vowels(2_000, 2), "flac"))])[0]
    assert isinstance(answer, Recording)
    expected = np.clip(np.rint(synth.through("flac", synth.vowels(2_000, 2)) * 32_768), -32_768, 32_767)
    assert np.array_equal(answer.channels[0], expected)


def test_a_temporary_folder_without_room_is_no_fault_of_the_file(pool: DecoderPool) -> None:
    def fetch() -> None:
        with pool.folder() as folder, (folder / "0").open("wb") as file:
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, file.fileno())
            os.close(full)
            file.write(b"x" * 100_000)

    with pytest.raises(Away, match="No space left"):
        fetch()
