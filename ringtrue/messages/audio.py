"""Values that messages about calls hold: what was heard, said and concluded.

The fields are documented in `schemas/`, one file per class.
"""

from ringtrue.messages.base import message


@message
class Ring:
    """One ringback burst that was counted as a ring (domain.md, Tones)."""

    start_ms: int
    end_ms: int
    frequency_hz: float
    confidence: float


@message
class Tone:
    """A tone that is not a ring: voicemail, busy, congestion, dtmf."""

    kind: str
    start_ms: int
    end_ms: int


#: Kinds of tones by which the network says that nobody can answer.
BUSY_TONES = frozenset({"busy", "congestion"})


@message
class Word:
    """One spoken word."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    channel: int


@message
class Failure:
    """Why a stage could not do its work, in words that a person can act on."""

    stage: str
    reason: str
    message: str


@message
class ChannelSound:
    """How one channel of a recording sounds."""

    channel: int
    speech_ms: int
    peak_dbfs: float
    speech_dbfs: float | None = None
    noise_dbfs: float | None = None
    snr_db: float | None = None
    clipped_share: float
    bandwidth_hz: int | None = None


@message
class Heard:
    """What tone analysis and voice activity detection found in a recording."""

    duration_ms: int
    codec: str
    rate_hz: int
    channels: int
    rings: tuple[Ring, ...]
    ring_count: int | None = None
    ring_confidence: float | None = None
    voicemail_tone: bool | None = None
    last_ring_end_ms: int | None = None
    tones: tuple[Tone, ...]
    speech_ms: int
    warnings: tuple[str, ...]
    country: str | None = None
    layout: str | None = None
    called_channel: int | None = None
    swapped: bool | None = None
    sounds: tuple[ChannelSound, ...] | None = None
    fingerprint: bytes | None = None


@message
class Span:
    """A stretch of a recording with the words it holds."""

    start_ms: int
    end_ms: int
    text: str


@message
class Answer:
    """The outcome of a call among the codes of one order type."""

    outcome: int
    score: float
    cited: tuple[Span, ...]


@message
class Shown:
    """What a call shows beside its outcome, each with the words that say so; None where nothing tells."""

    reached: str | None = None
    reached_by: Span | None = None
    appointment: Span | None = None
    appointment_agreed: bool | None = None
    reason: Span | None = None
    no_more_calls: Span | None = None
    language: str | None = None
