"""A call as lines of text: a time axis, under it two lines per channel, then the list of everything that was found.

The first line of a channel holds rings with their numbers, tones and speech; the second the segments that go to speech
recognition. A long call is drawn in several rows, so that rings stay apart. Nothing is told by colour alone: the output
may be a file.
"""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from services.ingest.audio.tone_plans import tone_plan
from services.ingest.inspection.finding import Finding, Mark

#: How long a row is at most, while there are not too many of them.
_ROW_MS, _MOST_ROWS = 120_000, 6
#: Steps of the axis, s; labels stand this many columns apart or more.
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600)
_LABEL_COLUMNS = 9
_MARGIN = "  {:<11}"
_RING, _SPEECH, _TONE, _NOTHING = "█", "▒", "═", "·"
_STYLES = {"ring": "bold green", "speech": "cyan", "segment": "yellow"}
_TONE_STYLE = "bold magenta"


def shown(found: Finding, width: int) -> RenderableType:
    """A call for people, `width` columns wide."""
    return Group(*_facts(found), "", *timeline(found, width), "", _list(found), "")


def timeline(found: Finding, width: int) -> Iterator[Text]:
    """The axis and the channels, row by row, and what the signs mean."""
    columns = max(20, width - len(_MARGIN.format("")) - 1)
    duration_ms = max(1, found.heard.duration_ms)
    rows = min(_MOST_ROWS, -(-duration_ms // _ROW_MS))
    row_ms = -(-duration_ms // rows)
    for start in range(0, duration_ms, row_ms):
        yield from _axis(start, row_ms, columns)
        for channel in range(found.channels):
            marks = [mark for mark in found.marks(channel) if mark.end_ms > start and mark.start_ms < start + row_ms]
            last = columns - 1 if start + row_ms <= duration_ms else (duration_ms - start) * columns // row_ms
            yield _line(f"channel {channel}", _sounds(marks, start, row_ms, columns), last)
            yield _line("  segments", _segments(marks, start, row_ms, columns), last, fill=" ")
    yield Text(_MARGIN.format("") + _legend(found), style="dim")


def _facts(found: Finding) -> Iterator[Text]:
    heard = found.heard
    plan = "not recognised" if found.country is None else f"{found.country} ({tone_plan(found.country).name})"
    channels = _counted(heard.channels, "channel")
    if heard.channels > 1 and heard.layout is not None:
        channels += f" ({heard.layout.replace('_', ' ')})"
    yield Text.from_markup(
        f"[bold]{escape(found.file)}[/]: {heard.codec}, {heard.rate_hz} Hz, {channels}, "
        f"{heard.duration_ms / 1000:.1f} s, tone plan {plan}"
    )
    count = "number of rings unknown" if heard.ring_count is None else _counted(heard.ring_count, "ring")
    ends = "" if heard.last_ring_end_ms is None else f", the last ends at {heard.last_ring_end_ms / 1000:.2f} s"
    voicemail = {True: "a voicemail tone follows", False: "no voicemail tone", None: "voicemail tone not known"}
    yield Text(
        f"  {count} (confidence {heard.ring_confidence}){ends}; {voicemail[heard.voicemail_tone]}; "
        f"{heard.speech_ms / 1000:.1f} s of speech; {_counted(len(found.segments), 'segment')}"
    )
    for sound in heard.sounds or ():
        known = (
            (sound.peak_dbfs, "peak {:.0f} dBFS"),
            (sound.speech_dbfs, "speech {:.0f} dBFS"),
            (sound.noise_dbfs, "noise {:.0f} dBFS"),
            (sound.snr_db, "SNR {:.0f} dB"),
            (sound.bandwidth_hz, "sound up to {} Hz"),
            (sound.clipped_share or None, "{:.1%} clipped"),
        )
        called = ", the called party" if sound.channel == heard.called_channel else ""
        told = ", ".join(form.format(value) for value, form in known if value is not None)
        yield Text(f"  channel {sound.channel}{called}: {told}")
    for warning in heard.warnings:
        yield Text(f"  warning: {warning}", style="yellow")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _axis(start: int, row_ms: int, columns: int) -> Iterator[Text]:
    per_column_s = row_ms / columns / 1000
    step_s = next((step for step in _STEPS_S if step >= _LABEL_COLUMNS * per_column_s), _STEPS_S[-1])
    labels, ruler = [" "] * (columns + _LABEL_COLUMNS), ["─"] * columns
    for second in range(-(-start // (step_s * 1000)) * step_s, (start + row_ms) // 1000 + 1, step_s):
        column = round((second * 1000 - start) * columns / row_ms)
        if column < columns:
            ruler[column] = "┬"
            label = _clock(second)
            labels[column : column + len(label)] = label
    yield Text(_MARGIN.format("") + "".join(labels).rstrip(), style="dim", no_wrap=True)
    yield Text(_MARGIN.format("") + "".join(ruler), style="dim", no_wrap=True)


def _clock(second: int) -> str:
    minutes, seconds = divmod(second, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}" if minutes else f"{second} s"


_Cells = dict[int, tuple[str, str]]


def _sounds(marks: Sequence[Mark], start: int, row_ms: int, columns: int) -> _Cells:
    """Speech, over it the tones, over them the rings; a sign and its style by column."""
    cells: _Cells = {}
    for mark in sorted(marks, key=lambda mark: {"speech": 0, "ring": 2}.get(mark.kind, 1)):
        if mark.kind == "segment":
            continue
        first, last = _columns(mark, start, row_ms, columns)
        sign, style = {"ring": _RING, "speech": _SPEECH}.get(mark.kind, _TONE), _STYLES.get(mark.kind, _TONE_STYLE)
        cells |= dict.fromkeys(range(first, last + 1), (sign, style))
        if mark.kind not in _STYLES and mark.start_ms >= start:
            cells[first] = (mark.kind[0].upper(), style)
    # Numbers last, where a ring begins and where they are not longer than the room before the next one.
    rings = [mark for mark in marks if mark.kind == "ring" and mark.start_ms >= start]
    places = [_columns(ring, start, row_ms, columns)[0] for ring in rings]
    for index, ring in enumerate(rings):
        number, room = str(ring.number), (*places, columns)[index + 1] - places[index]
        if len(number) <= room:
            cells |= {places[index] + digit: (number[digit], _STYLES["ring"]) for digit in range(len(number))}
    return cells


def _segments(marks: Sequence[Mark], start: int, row_ms: int, columns: int) -> _Cells:
    cells: _Cells = {}
    for mark in marks:
        if mark.kind != "segment":
            continue
        first, last = _columns(mark, start, row_ms, columns)
        signs = "└" + "─" * (last - first - 1) + "┘" if last > first else "┴"
        cells |= {first + index: (sign, _STYLES["segment"]) for index, sign in enumerate(signs)}
    return cells


def _columns(mark: Mark, start: int, row_ms: int, columns: int) -> tuple[int, int]:
    """The first and the last column that a mark takes in a row."""
    first = max(0, (mark.start_ms - start) * columns // row_ms)
    end = -(-(mark.end_ms - start) * columns // row_ms)
    return first, min(columns, max(first + 1, end)) - 1


def _line(label: str, cells: _Cells, last: int, fill: str = _NOTHING) -> Text:
    line = Text(_MARGIN.format(label), no_wrap=True)
    for column in range(max(last, *cells, 0) + 1 if cells else last + 1):
        sign, style = cells.get(column, (fill, "dim"))
        line.append(sign, style)
    return line


def _legend(found: Finding) -> str:
    kinds = dict.fromkeys(mark.kind for mark in found.tones)
    signs = [(found.rings, f"1{_RING} ring and its number"), (found.speech, f"{_SPEECH} speech")]
    parts = [text for present, text in signs if present]
    parts += [f"{kind[0].upper()}{_TONE} {kind} tone" for kind in kinds]
    return "   ".join([*parts, "└─┘ segment for speech recognition"] if found.segments else parts)


def _list(found: Finding) -> Table:
    table = Table(box=None, pad_edge=True)
    for heading in ("from s", "to s", "channel", "what", "detail"):
        table.add_column(heading, justify="left" if heading in ("what", "detail") else "right")
    marks = (*found.rings, *found.tones, *found.speech, *found.segments)
    for mark in sorted(marks, key=lambda mark: (mark.start_ms, mark.channel)):
        what = f"{mark.kind} {mark.number}" if mark.kind in ("ring", "segment") else mark.kind
        if mark.kind not in _STYLES:
            what += " tone"
        detail = mark.detail if mark.confidence is None else f"{mark.detail}, confidence {mark.confidence:.2f}"
        style = _STYLES.get(mark.kind, _TONE_STYLE).removeprefix("bold ")
        seconds = (f"{mark.start_ms / 1000:.2f}", f"{mark.end_ms / 1000:.2f}")
        table.add_row(*seconds, str(mark.channel), Text(what, style=style), detail)
    return table
