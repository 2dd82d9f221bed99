"""Everything that ingest hears in recordings: tones, speech, and the parts that go to speech recognition.

`hear_many` takes several recordings at once because the speech network wants many channels side by side. A channel that
is a copy of the other is heard once. Rings are taken from the channel in which they are most and surest; what is left
out of the parts is decided for each channel by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ringtrue.messages import Heard
from services.ingest.audio.decode import WARNINGS, Recording
from services.ingest.audio.resample import Samples, resampled
from services.ingest.audio.segments import MOST_SEGMENT_MS, Span, cell_levels, encode_flac, plan_segments
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ
from services.ingest.audio.speech import SHORTEST_SPEECH_MS, Region, SpeechDetector
from services.ingest.audio.tone_plans import tone_plan
from services.ingest.audio.tones import Tones, find_tones

#: Correlation above which two channels are one: a mono call that was recorded as stereo, levels and codec noise aside.
_SAME_SOUND = 0.98
_COMPARED = 1 << 20


@dataclass(frozen=True, slots=True)
class HearingSettings:
    """How recordings are heard and cut. With less detected speech than `least_speech_ms` a call is cut whole."""

    country: str = "MA"
    max_segment_ms: int = 25_000
    overlap_ms: int = 500
    least_speech_ms: int = 2_000

    def __post_init__(self) -> None:
        if not 2 * self.overlap_ms < self.max_segment_ms <= MOST_SEGMENT_MS:
            raise ValueError(
                f"max_segment_ms is {self.max_segment_ms}; more than twice the overlap and at most {MOST_SEGMENT_MS} is"
                " allowed, so that a segment's message stays under 900 KB"
            )


@dataclass(frozen=True, slots=True)
class Part:
    """One segment of a call: its place, its channel and its sound (mono FLAC at the hearing's rate)."""

    index: int
    total: int
    channel: int
    start_ms: int
    end_ms: int
    overlap_ms: int
    flac: bytes


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was heard in one recording.

    `heard` is what the message to the other stages holds; `tones` and `speech` are by channel (a copied channel has
    none of its own), `tone_channel` is the one that `heard` takes its tones from.
    """

    heard: Heard
    parts: tuple[Part, ...]
    rate_hz: int
    tones: tuple[Tones, ...]
    speech: tuple[tuple[Region, ...], ...]
    tone_channel: int


def hear(recording: Recording, settings: HearingSettings, detector: SpeechDetector) -> Hearing:
    """Hears one recording. For more than one, `hear_many` is faster."""
    return hear_many([recording], settings, detector)[0]


def hear_many(recordings: Sequence[Recording], settings: HearingSettings, detector: SpeechDetector) -> list[Hearing]:
    """Hears several recordings; the answers are in their order.

    Raises:
        Misconfigured: There is no tone plan for the country.
    """
    plan = tone_plan(settings.country)
    heard_channels = [_distinct(recording) for recording in recordings]
    tones = [[find_tones(channel, ANALYSIS_RATE_HZ, plan) for channel in channels] for channels in heard_channels]
    regions = iter(detector.regions([channel for channels in heard_channels for channel in channels]))
    return [
        _hearing(recording, channels, channel_tones, [next(regions) for _ in channels], settings)
        for recording, channels, channel_tones in zip(recordings, heard_channels, tones, strict=True)
    ]


def _distinct(recording: Recording) -> list[Samples]:
    """The channels at the analysis rate, the second left out when it is a copy."""
    channels = [resampled(channel, recording.rate_hz, ANALYSIS_RATE_HZ) for channel in recording.channels]
    return channels[:1] if len(channels) == 2 and _same_sound(*channels) else channels


def _same_sound(one: Samples, other: Samples) -> bool:
    """Whether two channels hold the same, apart from their level; two silent ones do."""
    products = np.zeros(3)
    for start in range(0, len(one), _COMPARED):
        left, right = (channel[start : start + _COMPARED].astype(np.float64) for channel in (one, other))
        products += (left @ right, left @ left, right @ right)
    both, first, second = products.tolist()
    if not first or not second:
        return first == second
    return bool(both >= _SAME_SOUND * np.sqrt(first * second))


def _hearing(
    recording: Recording,
    channels: Sequence[Samples],
    tones: Sequence[Tones],
    regions: Sequence[Sequence[Region]],
    settings: HearingSettings,
) -> Hearing:
    sounding = [channel.regions for channel in tones]
    speech = [_without(spoken, taken, recording.duration_ms) for spoken, taken in zip(regions, sounding, strict=True)]
    speech_ms = max(sum(end - start for start, end in spoken) for spoken in speech)
    spans = [
        (span, index)
        for index, channel in enumerate(channels)
        for span in plan_segments(
            cell_levels(channel),
            speech[index],
            sounding[index],
            duration_ms=recording.duration_ms,
            whole=speech_ms < settings.least_speech_ms,
            max_ms=settings.max_segment_ms,
            overlap_ms=settings.overlap_ms,
        )
    ]
    spans.sort(key=lambda item: (item[0].start_ms, item[1]))
    tone_channel = max(range(len(tones)), key=lambda index: (tones[index].ring_count, tones[index].ring_confidence))
    best = tones[tone_channel]
    heard = Heard(
        duration_ms=recording.duration_ms,
        codec=recording.codec,
        rate_hz=recording.source_rate_hz,
        channels=recording.source_channels,
        rings=best.rings,
        ring_count=best.ring_count,
        ring_confidence=best.ring_confidence,
        voicemail_tone=best.voicemail_tone,
        last_ring_end_ms=best.last_ring_end_ms,
        tones=best.other,
        speech_ms=speech_ms,
        warnings=tuple(WARNINGS[warning] for warning in recording.warnings),
    )
    return Hearing(
        heard=heard,
        parts=tuple(
            _part(recording, span, channel, number, len(spans)) for number, (span, channel) in enumerate(spans)
        ),
        rate_hz=recording.rate_hz,
        tones=tuple(tones),
        speech=tuple(speech),
        tone_channel=tone_channel,
    )


def _part(recording: Recording, span: Span, channel: int, index: int, total: int) -> Part:
    per_ms = recording.rate_hz // 1000
    samples = recording.channels[channel][span.start_ms * per_ms : span.end_ms * per_ms]
    flac = encode_flac(samples, recording.rate_hz)
    return Part(index, total, channel, span.start_ms, span.end_ms, span.overlap_ms, flac)


def _without(regions: Sequence[Region], taken: Sequence[Region], duration_ms: int) -> tuple[Region, ...]:
    """The regions without what others take of them, and within the recording; no slivers that a tone's edge leaves."""
    left = [(start, min(end, duration_ms)) for start, end in regions]
    for start, end in taken:
        left = [
            piece
            for first, last in left
            for piece in ((first, min(last, start)), (max(first, end), last))
            if piece[0] < piece[1]
        ]
    return tuple(piece for piece in left if piece[1] - piece[0] >= SHORTEST_SPEECH_MS)
