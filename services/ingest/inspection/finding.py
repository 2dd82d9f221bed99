"""What `ringtrue inspect` found in one file, in the form in which it is shown: every mark with its channel."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ringtrue.messages import Heard
from services.ingest.audio.hearing import Hearing

#: The keys of a line of `--json`, in their order. Where a file cannot be used all but `file` and `error` are null.
KEYS = (
    "file",
    "duration_ms",
    "rate_hz",
    "channels",
    "codec",
    "country",
    "rings",
    "ring_count",
    "ring_confidence",
    "last_ring_end_ms",
    "tones",
    "speech",
    "segments",
    "warnings",
    "error",
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that sounds in a channel from `start_ms` to `end_ms`.

    `kind` is `ring`, `speech`, `segment` or the kind of a tone. Rings and segments have a number: rings count from 1 in
    each channel, segments from 0 in the call. `detail` says the rest for people; only rings have a confidence.
    """

    kind: str
    channel: int
    start_ms: int
    end_ms: int
    number: int = 0
    confidence: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was heard in one file; `country` is the tone plan that was used, None where `auto` recognised none.

    Marks are by start. `channels` is how many channels have marks of their own: a second one that is a copy has none.
    """

    file: str
    country: str | None
    heard: Heard
    channels: int
    rings: tuple[Mark, ...]
    tones: tuple[Mark, ...]
    speech: tuple[Mark, ...]
    segments: tuple[Mark, ...]

    def marks(self, channel: int) -> list[Mark]:
        """Everything in a channel, by kind and then by start."""
        marks = (*self.segments, *self.speech, *self.tones, *self.rings)
        return [mark for mark in marks if mark.channel == channel]


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that could not be heard: a stable code, and a sentence that names the file and says what to do."""

    file: str
    kind: str
    message: str


def finding(file: str, hearing: Hearing) -> Finding:
    """What is shown of a hearing."""
    return Finding(
        file=file,
        country=hearing.heard.country,
        heard=hearing.heard,
        channels=len(hearing.tones),
        rings=_by_start(
            Mark("ring", channel, ring.start_ms, ring.end_ms, number, ring.confidence, f"{ring.frequency_hz:.0f} Hz")
            for channel, tones in enumerate(hearing.tones)
            for number, ring in enumerate(tones.rings, start=1)
        ),
        tones=_by_start(
            Mark(tone.kind, channel, tone.start_ms, tone.end_ms)
            for channel, tones in enumerate(hearing.tones)
            for tone in tones.other
        ),
        speech=_by_start(
            Mark("speech", channel, start, end)
            for channel, regions in enumerate(hearing.speech)
            for start, end in regions
        ),
        segments=_by_start(
            Mark(
                "segment",
                part.channel,
                part.start_ms,
                part.end_ms,
                part.index,
                detail=f"its first {part.overlap_ms / 1000:g} s are also in the one before" if part.overlap_ms else "",
            )
            for part in hearing.parts
        ),
    )


def document(one: Finding | Unusable) -> dict[str, Any]:
    """What `--json` prints of a file (`KEYS`)."""
    line: dict[str, Any] = dict.fromkeys(KEYS)
    line["file"] = one.file
    if isinstance(one, Unusable):
        return line | {"error": {"kind": one.kind, "message": one.message}}
    heard = one.heard
    return line | {
        "duration_ms": heard.duration_ms,
        "rate_hz": heard.rate_hz,
        "channels": heard.channels,
        "codec": heard.codec,
        "country": one.country,
        "rings": [_place(mark) | {"confidence": mark.confidence} for mark in one.rings],
        "ring_count": heard.ring_count,
        "ring_confidence": heard.ring_confidence,
        "last_ring_end_ms": heard.last_ring_end_ms,
        "tones": [{"kind": mark.kind} | _place(mark) for mark in one.tones],
        "speech": [_place(mark) for mark in one.speech],
        "segments": [_place(mark) for mark in one.segments],
        "warnings": list(heard.warnings),
    }


def _place(mark: Mark) -> dict[str, Any]:
    return {"start_ms": mark.start_ms, "end_ms": mark.end_ms, "channel": mark.channel}


def _by_start(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    return tuple(sorted(marks, key=lambda mark: (mark.start_ms, mark.channel)))
