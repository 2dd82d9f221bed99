"""How `ringtrue inspect` shows a call: the lines of the timeline, and what stands where in the picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from examples import synth
from ringtrue.messages import Heard
from services.ingest.audio.decode import Recording
from services.ingest.inspection.finding import Finding, Mark
from services.ingest.inspection.picture import draw, envelope, layout, spectrogram
from services.ingest.inspection.timeline import timeline

HEARD = Heard(
    duration_ms=50_000,
    codec="WAV/ULAW",
    rate_hz=8_000,
    channels=2,
    rings=(),
    ring_count=3,
    ring_confidence=0.97,
    voicemail_tone=False,
    last_ring_end_ms=11_700,
    tones=(),
    speech_ms=4_000,
    warnings=(),
)
CALL = Finding(
    file="call.wav",
    country="MA",
    heard=HEARD,
    channels=2,
    rings=tuple(Mark("ring", 0, start, start + 1_700, n, 0.99) for n, start in enumerate((0, 5_000, 10_000), start=1)),
    tones=(Mark("busy", 0, 40_000, 40_500), Mark("sit", 0, 42_000, 43_500)),
    speech=(Mark("speech", 1, 20_000, 24_000),),
    segments=(Mark("segment", 1, 19_800, 24_200, 0),),
)


def rows(found: Finding, label: str, columns: int = 50) -> list[str]:
    """The rows of the timeline with that label, without it: as many columns as seconds in `CALL`."""
    lines = [line.plain for line in timeline(found, columns + 14)]
    return [line[13:] for line in lines if line.strip().startswith(label)]


def test_each_channel_has_its_marks_at_their_place_on_the_axis() -> None:
    assert rows(CALL, "channel 0") == ["1█···2█···3█····························B·S═······"]
    assert rows(CALL, "channel 1") == ["····················▒▒▒▒··························"]
    segments = rows(CALL, "segments")
    assert [row.rstrip() for row in segments] == ["", " " * 19 + "└────┘"]


def test_the_axis_says_the_seconds_over_their_columns() -> None:
    labels, ruler = [line.plain[13:] for line in timeline(CALL, 64)][:2]
    assert labels.split() == ["0", "s", "10", "s", "20", "s", "30", "s", "40", "s"]
    assert [column for column, sign in enumerate(ruler) if sign == "┬"] == [0, 10, 20, 30, 40]
    assert [labels.index(f"{second} s") for second in (10, 20, 30, 40)] == [10, 20, 30, 40]


def test_signs_are_explained_where_they_occur() -> None:
    *_, legend = timeline(CALL, 120)
    for sign in ("ring and its number", "▒ speech", "B═ busy tone", "S═ sit tone", "segment"):
        assert sign in legend.plain
    *_, legend = timeline(replace(CALL, rings=(), tones=(), segments=()), 120)
    assert legend.plain.split() == ["▒", "speech"]


def test_a_long_call_is_drawn_in_rows_so_that_rings_stay_apart() -> None:
    rings = tuple(Mark("ring", 0, start * 1_000, start * 1_000 + 1_700, start // 5 + 1) for start in range(0, 300, 5))
    call = replace(CALL, heard=replace(HEARD, duration_ms=300_000), rings=rings, tones=(), speech=(), segments=())
    drawn = rows(call, "channel 0", 100)
    assert len(drawn) == 3
    numbers = "".join(drawn).replace("█", " ").replace("·", " ").split()
    assert numbers == [str(number) for number in range(1, 61)]


def test_a_ring_that_runs_over_the_end_of_a_row_goes_on_in_the_next() -> None:
    call = replace(CALL, heard=replace(HEARD, duration_ms=200_000), rings=(Mark("ring", 0, 98_000, 102_000, 1),))
    first, second = rows(call, "channel 0", 100)
    assert first.endswith("1█")
    assert second.startswith("██")


@pytest.mark.parametrize("duration_ms", [1, 40, 999, 120_000, 120_001, 14_400_000])
def test_no_length_of_a_call_breaks_the_width(duration_ms: int) -> None:
    mark = Mark("ring", 0, 0, duration_ms, 1)
    call = replace(CALL, heard=replace(HEARD, duration_ms=duration_ms), rings=(mark,), tones=(), speech=(), segments=())
    drawn = list(timeline(call, 80))
    assert len(drawn) <= 6 * 6 + 1
    assert all(line.cell_len <= 80 + 9 for line in drawn)


def test_the_picture_shows_every_mark_in_the_row_of_its_kind_and_channel() -> None:
    bars = layout(CALL).bars
    assert [(bar.channel, bar.row, bar.start_s, bar.end_s) for bar in bars] == [
        (0, "ring", 0.0, 1.7),
        (0, "ring", 5.0, 6.7),
        (0, "ring", 10.0, 11.7),
        (0, "tone", 40.0, 40.5),
        (0, "tone", 42.0, 43.5),
        (1, "speech", 20.0, 24.0),
        (1, "segment", 19.8, 24.2),
    ]


def test_rings_in_the_picture_have_their_number_and_confidence() -> None:
    assert [bar.text for bar in layout(CALL).bars if bar.row == "ring"] == ["1: 0.99", "2: 0.99", "3: 0.99"]


def test_where_rings_are_dense_their_texts_grow_shorter_and_never_overlap() -> None:
    for duration_s, expected in ((400, "\n"), (600, "60"), (3_000, "")):
        starts = range(0, duration_s * 1_000, 5_000)
        rings = tuple(Mark("ring", 0, start, start + 1_700, n, 0.99) for n, start in enumerate(starts, start=1))
        call = replace(CALL, heard=replace(HEARD, duration_ms=duration_s * 1_000), rings=rings, tones=())
        plan = layout(call)
        texts = [bar.text for bar in plan.bars if bar.row == "ring"]
        assert expected in texts[59]
        assert plan.width_in <= 28
        widest = max(len(line) for text in texts[:-1] for line in text.split("\n"))
        assert widest * 0.06 <= 5 / duration_s * plan.width_in


def test_the_bands_are_the_tones_of_the_country_s_plan() -> None:
    bands = {band.label: (band.low_hz, band.high_hz) for band in layout(replace(CALL, country="UK")).bands}
    assert {"ring 400 Hz", "ring 450 Hz", "voicemail"} <= set(bands)
    assert [bands["ring 450 Hz"], bands["voicemail"]] == [pytest.approx((438.75, 461.25)), (590, 650)]
    assert [band.label for band in layout(replace(CALL, country=None)).bands] == ["voicemail"]


def test_the_picture_is_a_png_of_a_size_that_can_be_looked_at(tmp_path: Path) -> None:
    sound = np.concatenate([synth.ringback(3), synth.silence(35_000)])
    samples = np.asarray(sound * 32_767, np.int16)
    call = replace(CALL, file="a $b$ name \U0001f4de.wav")  # no formula, and a sign that the font lacks
    path = tmp_path / "call.png"
    draw(call, Recording((samples, np.zeros_like(samples)), 8_000, 8_000, 2, "WAV/ULAW"), path)
    height, width, _ = imread(path).shape
    plan = layout(call)
    assert (width, height) == (plan.width_in * 100, round(plan.height_in * 100))
    assert 1_000 <= width <= 3_000
    assert 700 <= height <= 2_000


def test_a_recording_of_one_sample_is_drawn(tmp_path: Path) -> None:
    call = replace(CALL, heard=replace(HEARD, duration_ms=0), channels=1, rings=(), tones=(), speech=(), segments=())
    draw(call, Recording((np.zeros(1, np.int16),), 8_000, 8_000, 1, "WAV/PCM_16"), tmp_path / "call.png")
    assert (tmp_path / "call.png").read_bytes().startswith(b"\x89PNG")


def test_a_tone_stands_in_the_spectrogram_at_its_time_frequency_and_level() -> None:
    sound = np.concatenate([synth.silence(1_000), synth.tone([425], 1_000, -20), synth.silence(2_000)])
    levels, edges = spectrogram(np.asarray(sound * 32_768, np.int16), 8_000, 400)
    line, column = np.unravel_index(np.argmax(levels), levels.shape)
    assert edges[line] <= 425 <= edges[line + 1]
    assert 100 <= column < 200
    assert levels[line, column] == pytest.approx(-20, abs=1.5)
    assert levels[line, :80].max() < -80
    assert len(edges) == levels.shape[0] + 1


def test_a_short_tone_stays_visible_in_a_long_call() -> None:
    samples = np.zeros(8_000 * 1_800, np.int16)
    samples[8_000_000:8_002_400] = synth.beep(level_dbfs=-20)[:2_400] * 32_768
    levels, _ = spectrogram(samples, 8_000, 500)
    low, high = envelope(samples, 500)
    column = 8_000_000 * 500 // len(samples)
    assert levels[:, column].max() == pytest.approx(-20, abs=3)
    assert (high[column], low[column]) == pytest.approx((3_277, -3_277), abs=40)
    assert not high[: column - 1].any()
