"""A call as a picture: for each channel its marks, its waveform and its spectrogram with the tone bands of the plan.

`layout` decides what stands where, in plain values; `draw` puts it on paper with matplotlib (the extra `plot`).
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from scipy import fft

from services.ingest.audio.decode import Recording
from services.ingest.audio.resample import Samples
from services.ingest.audio.signals import BEEP_HZ
from services.ingest.audio.tone_plans import tone_plan
from services.ingest.audio.tones import TOLERANCE
from services.ingest.inspection.finding import Finding, Mark

Values = npt.NDArray[np.float32]

#: Rows of marks, from the top. Every kind of tone that is no ring shares one.
ROWS = ("ring", "tone", "speech", "segment")
_COLOURS = {"ring": "#2a9d4b", "tone": "#c2185b", "speech": "#1f77b4", "segment": "#e0a100"}
_NAMES = {"ring": "ring: number, confidence", "tone": "other tone", "speech": "speech", "segment": "segment for ASR"}

_DPI = 100
_NARROWEST_IN, _WIDEST_IN, _S_PER_IN = 14.0, 28.0, 6.0
#: Height of marks, waveform and spectrogram of a channel, and of title and legend, inches.
_HEIGHTS_IN, _FRAME_IN = (1.3, 1.0, 3.0), 1.3
#: Room that a text needs, inches for each character and for the space before it.
_CHARACTER_IN = 0.068
#: Room for the names of the tone bands.
_LABEL_IN = 0.7

#: A frame of 64 ms at 8 kHz tells 425 Hz from 440; the axis is logarithmic and begins where telephones do.
_FRAME_S, _LOWEST_HZ = 0.064, 200.0
_OCTAVES_HZ = (200, 300, 425, 600, 1_000, 1_500, 2_000, 3_000, 4_000, 6_000, 8_000)
_RANGE_DB = 70.0
_FRAMES_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Bar:
    """A mark in its channel's rows: seconds, the row's kind, and its text (empty: there is no room for one).

    The text begins at `text_s`, or ends there when it is aligned `right`.
    """

    channel: int
    row: str
    start_s: float
    end_s: float
    text: str
    text_s: float
    align: Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Band:
    """Frequencies at which a tone of the plan is looked for."""

    low_hz: float
    high_hz: float
    label: str


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands in the picture; sizes in inches."""

    width_in: float
    height_in: float
    title: str
    bars: tuple[Bar, ...]
    bands: tuple[Band, ...]


def layout(found: Finding) -> Layout:
    """What the picture of a call shows."""
    duration_s = found.heard.duration_ms / 1000
    width = min(max(_NARROWEST_IN, duration_s / _S_PER_IN), _WIDEST_IN)
    seconds_per_in = duration_s / (width - 2)
    heard = found.heard
    count = "? rings" if heard.ring_count is None else f"{heard.ring_count} rings"
    title = (
        f"{Path(found.file).name}   {heard.codec}, {heard.rate_hz} Hz, {heard.channels} ch, {duration_s:.1f} s, "
        f"tone plan {found.country or 'not recognised'}\n{count} (confidence {heard.ring_confidence})"
    )
    if heard.last_ring_end_ms is not None:
        title += f", the last ends at {heard.last_ring_end_ms / 1000:.2f} s"
    bars = [bar for channel in range(found.channels) for bar in _bars(found.marks(channel), duration_s, seconds_per_in)]
    height = _FRAME_IN + found.channels * sum(_HEIGHTS_IN)
    return Layout(width, height, title, tuple(bars), tuple(_bands(found.country)))


def draw(found: Finding, recording: Recording, path: Path) -> None:
    """Writes the picture of a call as PNG.

    Raises:
        OSError: The file cannot be written.
    """
    plan = layout(found)
    figure = Figure(figsize=(plan.width_in, plan.height_in), dpi=_DPI, layout="constrained")
    # A file's name is no formula, whatever signs it holds.
    figure.suptitle(plan.title, fontsize=11, parse_math=False)
    panels = figure.subplots(
        3 * found.channels, 1, sharex=True, squeeze=False, height_ratios=_HEIGHTS_IN * found.channels
    )[:, 0]
    # Every channel on the same scale, so that a dead leg looks dead.
    peak = max(1, *(_peak(channel) for channel in recording.channels))
    for channel in range(found.channels):
        samples = recording.channels[channel]
        marks, wave, spectrum = panels[3 * channel : 3 * channel + 3]
        bars = [bar for bar in plan.bars if bar.channel == channel]
        _draw_marks(marks, bars)
        marks.set_title(f"channel {channel}", loc="left", fontsize=10, fontweight="bold")
        _draw_wave(wave, samples, recording.rate_hz, peak, plan.width_in)
        for bar in bars:
            if bar.row != "segment":
                wave.axvspan(bar.start_s, bar.end_s, color=_COLOURS[bar.row], alpha=0.15, linewidth=0)
        _draw_spectrum(figure, spectrum, samples, recording.rate_hz, peak, plan)
    panels[-1].set_xlabel("seconds")
    panels[-1].set_xlim(0, max(found.heard.duration_ms, 1) / 1000)
    panels[-1].xaxis.set_major_locator(MaxNLocator(round(2 * plan.width_in), steps=[1, 2, 5, 10], integer=True))
    for panel in panels:
        panel.grid(axis="x", alpha=0.25, linewidth=0.5)
        panel.tick_params(labelsize=8)
    for spectrum in panels[2::3]:
        spectrum.tick_params(labelbottom=True)
    handles: list[Artist] = [Patch(color=_COLOURS[row], label=_NAMES[row]) for row in ROWS]
    handles.append(Line2D([], [], color="grey", linestyle=":", label="where the plan's tones are looked for"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in a script that the font lacks
        figure.savefig(path, format="png")


def _bars(marks: Sequence[Mark], duration_s: float, seconds_per_in: float) -> Iterator[Bar]:
    for row in ROWS:
        here = [mark for mark in marks if _row(mark) == row]
        for index, mark in enumerate(here):
            start_s, end_s = mark.start_ms / 1000, mark.end_ms / 1000
            # Left of a mark there may be the text of the one before.
            left_s = start_s if index else 0.0
            right_s = here[index + 1].start_ms / 1000 if index + 1 < len(here) else duration_s
            places: list[tuple[float, float, Literal["left", "right"]]] = [
                (end_s - start_s, start_s, "left"),
                (right_s - end_s, end_s, "left"),
                (start_s - left_s, start_s, "right"),
                (right_s - start_s, start_s, "left"),
            ]
            fitting = (
                (text, text_s, align)
                for text in _texts(mark)
                for room_s, text_s, align in places
                if (1 + max(map(len, text.split("\n")))) * _CHARACTER_IN * seconds_per_in <= room_s
            )
            yield Bar(mark.channel, row, start_s, end_s, *next(fitting, ("", start_s, "left")))


def _row(mark: Mark) -> str:
    return mark.kind if mark.kind in ROWS else "tone"


def _texts(mark: Mark) -> tuple[str, ...]:
    """What may be written at a mark, the fullest first."""
    if mark.kind == "ring":
        confidence = f"{mark.confidence:.2f}"
        return f"{mark.number}: {confidence}", f"{mark.number}\n{confidence.lstrip('0')}", str(mark.number)
    if mark.kind == "segment":
        return (str(mark.number),)
    return () if mark.kind == "speech" else (mark.kind,)


def _bands(country: str | None) -> Iterator[Band]:
    yield Band(*BEEP_HZ, "voicemail")
    if country is None:
        return
    plan = tone_plan(country)
    named: dict[float, str] = {}  # a busy tone often has a ring's frequency: the band is the ring's
    for kind, spec in (*(("ring", spec) for spec in plan.rings), *plan.not_rings.items()):
        for hertz in spec.frequencies_hz:
            named.setdefault(hertz, kind)
    for hertz, kind in named.items():
        yield Band(hertz * (1 - TOLERANCE), hertz * (1 + TOLERANCE), f"{kind} {hertz:g} Hz")


def _draw_marks(panel: Axes, bars: Sequence[Bar]) -> None:
    for bar in bars:
        height = ROWS.index(bar.row)
        panel.barh(height, bar.end_s - bar.start_s, 0.8, bar.start_s, color=_COLOURS[bar.row])
        text = "\n".join(f" {line} " for line in bar.text.split("\n"))
        panel.text(bar.text_s, height, text, ha=bar.align, va="center", fontsize=8, linespacing=0.9)
    panel.set_yticks(range(len(ROWS)), [f"{row}s" if row != "speech" else row for row in ROWS])
    panel.set_ylim(len(ROWS) - 0.4, -0.6)


def _draw_wave(panel: Axes, samples: Samples, rate_hz: int, peak: int, width_in: float) -> None:
    low, high = envelope(samples, round(width_in * _DPI))
    times = np.linspace(0, len(samples) / rate_hz, len(low))
    panel.fill_between(times, low / 32768, high / 32768, color="#444444", linewidth=0.4, edgecolor="#444444")
    panel.set_ylim(-1.05 * peak / 32768, 1.05 * peak / 32768)
    own = _peak(samples)
    level = f"peak {20 * np.log10(own / 32768):.1f} dBFS" if own else "digital silence"
    panel.set_ylabel("waveform")
    panel.text(1, 1, level, transform=panel.transAxes, ha="right", va="bottom", fontsize=8)


def _draw_spectrum(figure: Figure, panel: Axes, samples: Samples, rate_hz: int, peak: int, plan: Layout) -> None:
    levels, edges = spectrogram(samples, rate_hz, round(plan.width_in * _DPI))
    top = 20 * np.log10(peak / 32768)
    times = np.linspace(0, len(samples) / rate_hz, levels.shape[1] + 1)
    shades = panel.pcolormesh(times, edges, levels, cmap="magma", vmin=top - _RANGE_DB, vmax=top, rasterized=True)
    panel.set_yscale("log")
    panel.set_ylim(_LOWEST_HZ, rate_hz / 2)
    panel.yaxis.set_major_locator(FixedLocator([hertz for hertz in _OCTAVES_HZ if hertz <= rate_hz / 2]))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda hertz, _: f"{hertz:g}"))
    panel.set_ylabel("Hz")
    for band in plan.bands:
        for hertz in (band.low_hz, band.high_hz):
            panel.axhline(hertz, color="white", linewidth=0.6, linestyle=":", alpha=0.8)
        panel.text(1, band.low_hz, f" {band.label}", transform=panel.get_yaxis_transform(), fontsize=7, va="bottom")
    figure.colorbar(shades, ax=panel, label="dBFS", pad=_LABEL_IN / plan.width_in, aspect=15)


def _peak(samples: Samples) -> int:
    return max(int(samples.max()), -int(samples.min()))


def envelope(samples: Samples, columns: int) -> tuple[Values, Values]:
    """The least and the greatest sample of each column of a picture."""
    starts = np.unique(np.linspace(0, len(samples), columns, endpoint=False).astype(np.int64))
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    return low.astype(np.float32), high.astype(np.float32)


def spectrogram(samples: Samples, rate_hz: int, columns: int) -> tuple[Values, Values]:
    """Levels by frequency and column, dB (a full-scale sine has 0), and the edges between the frequencies, Hz.

    A column holds the greatest level of the frames that fall into it, so that short tones stay visible in long calls.
    """
    size = fft.next_fast_len(round(_FRAME_S * rate_hz), real=True)
    window = np.hanning(size).astype(np.float32)
    hop = min(size // 2, max(size // 32, len(samples) // columns))
    count = -(-len(samples) // hop)
    columns = min(columns, count)
    lowest = int(_LOWEST_HZ * size / rate_hz)
    power = np.zeros((columns, size // 2 + 1 - lowest), np.float32)
    for first in range(0, count, _FRAMES_AT_ONCE):
        frames = min(_FRAMES_AT_ONCE, count - first)
        start, end = first * hop - size // 2, (first + frames - 1) * hop - size // 2 + size
        block = samples[max(start, 0) : end].astype(np.float32) / 32768
        block = np.pad(block, (max(-start, 0), max(end - len(samples), 0)))
        lines = np.lib.stride_tricks.sliding_window_view(block, size)[::hop] * window
        seen = np.abs(fft.rfft(lines, axis=1)[:, lowest:]) ** 2
        column, starts = np.unique(np.arange(first, first + frames) * columns // count, return_index=True)
        power[column] = np.maximum(power[column], np.maximum.reduceat(seen, starts))
    full_scale = (window.sum() / 2) ** 2
    edges = (np.arange(lowest, size // 2 + 2) - 0.5) * rate_hz / size
    return 10 * np.log10(np.maximum(power.T / full_scale, 1e-12)), edges.astype(np.float32)
