"""Good recordings, damaged at random: each is an answer, whatever the damage, and never silence.

Hypothesis chooses the damage and makes a failing one small. `--hostile all` tries 10,000.
"""

import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.ingest.audio.decode import MAX_CHANNELS, SEGMENT_RATES_HZ, Recording, Undecodable
from tests.hostile.bases import NAMES, base
from tests.hostile.bench import Bench

_QUICK, _ALL = 150, 10_000
#: Numbers at which programs break.
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good file's name, and its bytes with one to five kinds of damage, most of it near the start."""
    name = draw(st.sampled_from(NAMES))
    data = bytearray(base(name))
    for _ in range(draw(st.integers(1, 5))):
        reach = draw(st.sampled_from((64, 512, len(data))))
        at = draw(st.integers(0, max(0, min(reach, len(data) - 1))))
        match draw(st.sampled_from(("byte", "number", "delete", "repeat", "insert", "cut", "other"))):
            case "byte" if data:
                data[at] = draw(st.integers(0, 255))
            case "number" if at + 4 <= len(data):
                struct.pack_into(draw(st.sampled_from(("<I", ">I"))), data, at, draw(st.sampled_from(_EDGES)))
            case "delete":
                del data[at : at + draw(st.integers(1, 2_000))]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 2_000))] * draw(st.integers(1, 20))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=64))
            case "cut":
                del data[at:]
            case "other":
                data[at:] = base(draw(st.sampled_from(NAMES)))[at:]
            case _:
                pass
    return name, bytes(data)


def test_no_damage_makes_anything_but_an_answer_and_none_makes_silence(bench: Bench, everything: bool) -> None:
    @settings(
        max_examples=_ALL if everything else _QUICK,
        deadline=None,
        derandomize=not everything,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged())
    def try_all(file: tuple[str, bytes]) -> None:
        name, data = file
        answer = bench.answer(name, data)
        if isinstance(answer, Undecodable):
            assert answer.reason != "decoder_died", answer.message
            assert answer.message.startswith(f"{name}: ")
            return
        assert isinstance(answer, Recording)
        assert answer.rate_hz in SEGMENT_RATES_HZ
        assert 1 <= len(answer.channels) <= MAX_CHANNELS
        assert len({len(channel) for channel in answer.channels}) == 1
        assert answer.duration_ms or answer.channels[0].size
        assert any(np.any(channel) for channel in answer.channels), (
            f"damage came out as silence: {answer.codec}, {answer.duration_ms} ms, {answer.warnings}"
        )

    try_all()


def test_a_file_of_chance_is_never_a_recording(bench: Bench) -> None:
    for seed in range(50):
        answer = bench.answer("chance.wav", np.random.default_rng(seed).bytes(seed * 100 + 1))
        assert isinstance(answer, Undecodable)
        assert answer.reason in {"unknown_format", "text"}


@pytest.mark.parametrize("name", NAMES)
def test_chance_behind_a_good_header_is_never_silence(bench: Bench, name: str) -> None:
    good = base(name)
    for share in (0.05, 0.2, 0.5):
        kept = int(share * len(good))
        answer = bench.answer(name, good[:kept] + np.random.default_rng(kept).bytes(len(good) - kept))
        if isinstance(answer, Recording):
            assert any(np.any(channel) for channel in answer.channels)
