"""Everything that ingest hears in recordings: tones, speech, and the parts that go to speech recognition.

`hear_many` takes several recordings at once because the speech network wants many channels side by side. A channel that
is a copy of the other is heard once (`channels`). Rings are taken from the channel in which they are most and surest;
what is left out of the parts is decided for each channel by itself. How a channel sounds is told beside (`quality`),
and what the recording is known by again (`fingerprint`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ringtrue.messages import Heard, Tone
from services.ingest.audio import channels as legs
from services.ingest.audio import quality
from services.ingest.audio.decode import WARNINGS, Recording
from services.ingest.audio.fingerprint import fingerprint
from services.ingest.audio.levels import Levels, cell_levels, cells_of
from services.ingest.audio.resample import Samples, resampled
from services.ingest.audio.segments import MOST_SEGMENT_MS, Span, encode_flac, plan_segments
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ, CELL_MS
from services.ingest.audio.speech import SHORTEST_SPEECH_MS, Region, SpeechDetector
from services.ingest.audio.tone_plans import plans_for
from services.ingest.audio.tones import Tones, find_tones

#: Tones that a voice can imitate for a moment. A real one stands alone: in the 100 ms to each side all but other tones
#: is 10 dB weaker.
_LIKE_VOICES, _BESIDE_CELLS, _ALONE_DB, _NOTHING_DBFS = ("voicemail", "other", "dtmf", "cng"), 6, 10.0, -200.0

#: What is said of a file that ends too soon, and how sure a count is at most of which the rest may be missing.
_BROKEN_OFF, _UNSURE = frozenset({"truncated", "damaged"}), 0.5


@dataclass(frozen=True, slots=True)
class HearingSettings:
    """How recordings are heard and cut.

    `country` is whose tone plan rings follow, or `auto`. With less detected speech than `least_speech_ms` a call is cut
    whole.
    """

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
    """One segment of a call: its place, its channel, and its sound, which belongs to the recording."""

    index: int
    total: int
    channel: int
    start_ms: int
    end_ms: int
    overlap_ms: int
    rate_hz: int
    samples: Samples = field(compare=False, repr=False)

    @property
    def flac(self) -> bytes:
        """Its sound as mono FLAC, encoded when asked for: those of a long call take more memory than all the rest."""
        return encode_flac(self.samples, self.rate_hz)


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


def hear_many(
    recordings: Sequence[Recording],
    settings: HearingSettings,
    detector: SpeechDetector,
    agent_channels: Sequence[int | None] = (),
) -> list[Hearing]:
    """Hears several recordings; the answers are in their order.

    Args:
        recordings: What was decoded.
        settings: Country and lengths.
        detector: The loaded network.
        agent_channels: For each recording the channel that its metadata gives to the technician; empty when none is
            known.

    Raises:
        Misconfigured: There is no tone plan for the country.
    """
    plans = plans_for(settings.country)
    heard_channels = [_distinct(recording) for recording in recordings]
    tones = [[find_tones(channel, ANALYSIS_RATE_HZ, plans) for channel in channels] for channels in heard_channels]
    regions = iter(detector.regions([channel for channels in heard_channels for channel in channels]))
    return [
        _hearing(recording, channels, channel_tones, [next(regions) for _ in channels], settings, agent_channel)
        for recording, channels, channel_tones, agent_channel in zip(
            recordings, heard_channels, tones, agent_channels or [None] * len(recordings), strict=True
        )
    ]


def _distinct(recording: Recording) -> list[Samples]:
    """The channels at the analysis rate, the second left out when it is a copy."""
    channels = [resampled(channel, recording.rate_hz, ANALYSIS_RATE_HZ) for channel in recording.channels]
    return channels[:1] if len(channels) == 2 and legs.is_copy(*channels) else channels


def _hearing(
    recording: Recording,
    channels: Sequence[Samples],
    tones: Sequence[Tones],
    regions: Sequence[Sequence[Region]],
    settings: HearingSettings,
    agent_channel: int | None,
) -> Hearing:
    levels = [cell_levels(channel) for channel in channels]
    sounding = [_left_out(*channel) for channel in zip(tones, levels, strict=True)]
    speech = [_without(spoken, taken, recording.duration_ms) for spoken, taken in zip(regions, sounding, strict=True)]
    speech_ms = max(sum(end - start for start, end in spoken) for spoken in speech)
    spans = [
        (span, index)
        for index in range(len(channels))
        for span in plan_segments(
            levels[index],
            speech[index],
            sounding[index],
            duration_ms=recording.duration_ms,
            whole=speech_ms < settings.least_speech_ms,
            max_ms=settings.max_segment_ms,
            overlap_ms=settings.overlap_ms,
        )
    ]
    spans.sort(key=lambda item: (item[0].start_ms, item[1]))
    tone_channel = legs.tone_channel(tones)
    best = tones[tone_channel]
    layout, dead = legs.layout_of(len(recording.channels), levels, speech, tones)
    called = legs.called_channel(layout, tones)
    swapped = legs.are_swapped(called, agent_channel)
    sounds = tuple(
        quality.channel_sound(
            index, recording.channels[index], recording.rate_hz, levels[index], speech[index], sounding[index]
        )
        for index in range(len(channels))
    )
    heard = Heard(
        duration_ms=recording.duration_ms,
        codec=recording.codec,
        rate_hz=recording.source_rate_hz,
        channels=recording.source_channels,
        rings=best.rings,
        ring_count=best.ring_count,
        ring_confidence=_confidence(best, recording),
        voicemail_tone=best.voicemail_tone,
        last_ring_end_ms=best.last_ring_end_ms,
        tones=best.other,
        speech_ms=speech_ms,
        warnings=(
            *(WARNINGS[warning] for warning in recording.warnings),
            *legs.warnings_of(dead, swapped),
            *quality.warnings_of(sounds),
        ),
        country=best.country,
        layout=layout.value,
        called_channel=called,
        swapped=swapped,
        sounds=sounds,
        fingerprint=fingerprint(channels, recording.duration_ms),
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


def _confidence(tones: Tones, recording: Recording) -> float | None:
    """How sure the ring count is: of a file that broke off nobody knows what came after, and that accuses nobody."""
    broke_off = not _BROKEN_OFF.isdisjoint(recording.warnings)
    return (
        min(tones.ring_confidence, _UNSURE)
        if broke_off and tones.ring_confidence is not None
        else tones.ring_confidence
    )


def _part(recording: Recording, span: Span, channel: int, index: int, total: int) -> Part:
    per_ms = recording.rate_hz // 1000
    samples = recording.channels[channel][span.start_ms * per_ms : span.end_ms * per_ms]
    return Part(index, total, channel, span.start_ms, span.end_ms, span.overlap_ms, recording.rate_hz, samples)


def _left_out(tones: Tones, levels: Levels) -> list[Region]:
    """Where rings and tones sound. A beep or key that goes over into a sound as loud may be a vowel, and stays."""
    others = np.where(cells_of(tones.regions, len(levels)), _NOTHING_DBFS, levels)
    embedded = {
        (tone.start_ms, tone.end_ms)
        for tone in tones.other
        if tone.kind in _LIKE_VOICES and not _stands_alone(tone, levels, others)
    }
    return [region for region in tones.regions if region not in embedded]


def _stands_alone(tone: Tone, levels: Levels, others: Levels) -> bool:
    first, end = tone.start_ms // CELL_MS, -(-tone.end_ms // CELL_MS)
    beside = np.append(others[max(0, first - _BESIDE_CELLS) : max(0, first - 1)], others[end + 1 : end + _BESIDE_CELLS])
    return bool(np.max(beside, initial=_NOTHING_DBFS) < np.median(levels[first:end]) - _ALONE_DB)


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
