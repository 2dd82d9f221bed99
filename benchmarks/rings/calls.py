"""One call of the benchmark from its seed: what it holds (`Truth`) and how it sounds.

A seed decides everything, in this order: country, case, ending, codec, noise, level, then the sounds. The same seed
gives the same samples on every machine. A ring counts when at least half of its sound is heard, be it cut by the
recording's start, by the answer or by its end; what is shorter is a `ring_part` among the tones. Not drawn is what has
no answer that a listener could give: a cut within 3 % of one half, and a cut ring without a whole one beside it in a
country whose cadence is not certain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from benchmarks.rings import sounds
from benchmarks.rings.codecs import STEREO, WEIGHTS
from benchmarks.rings.line import LineNoise, send_through
from benchmarks.rings.scene import Scene
from benchmarks.rings.script import Network, play_custom_ringback, play_ringing, play_without_rings
from benchmarks.rings.sounds import Random, Sound
from benchmarks.rings.tones import national_tones

_Key = TypeVar("_Key")

#: What is hard in a call, with the share of calls (percent). The first group rings.
RINGING_CASES = {
    "plain": 11,
    "cut_by_start": 12,
    "speech_before": 6,
    "speech_between": 5,
    "speech_over": 5,
    "level_changes": 5,
    "hum": 4,
    "clicks": 4,
    "packet_loss": 6,
    "detuned": 5,
    "one_channel": 6,
    "beyond_a_minute": 4,
    "many_rings": 4,
    "dtmf_before": 2,
}
SILENT_CASES = {"speech_only": 4, "singing": 2, "whistling": 2, "music": 4, "other_tones": 4, "line_only": 1}
#: Music instead of ringing: nobody can count rings, so the only right answer is a low confidence.
CUSTOM_RINGBACK = "custom_ringback"
CASES = {**RINGING_CASES, **SILENT_CASES, CUSTOM_RINGBACK: 4}

#: How ringing ends, with the share of the calls that ring (percent).
ENDINGS = {
    "answered_in_ring": 20,
    "answered_in_pause": 20,
    "voicemail": 16,
    "hung_up_in_pause": 12,
    "hung_up_in_ring": 8,
    "busy": 6,
    "congestion": 5,
    "sit": 5,
    "fax": 4,
    "hold_music": 4,
}
SNRS_DB: dict[int | None, int] = {None: 25, 30: 22, 20: 20, 15: 13, 10: 20}


@dataclass(frozen=True, slots=True)
class Truth:
    """What a call holds. Times are ms; `snr_db` is None for a clean line, `ring_count` where nobody can count.

    `tones` are (kind, start, end): busy, congestion, sit, fax, dtmf, dial, voicemail, music, ring_part. `channel` is
    the one that rings in a stereo call.
    """

    seed: int
    country: str
    cadence_ms: tuple[float, ...]
    case: str
    ending: str
    codec: str
    snr_db: int | None
    level_dbfs: float
    channel: int | None
    rings: tuple[tuple[float, float], ...]
    tones: tuple[tuple[str, float, float], ...]
    duration_ms: float

    @property
    def ring_count(self) -> int | None:
        """The number of rings, None for a custom ringback."""
        return None if self.case == CUSTOM_RINGBACK else len(self.rings)


def make_call(seed: int) -> tuple[Truth, Sound]:
    """The call of a seed: its truth, and its samples before coding, [frames, channels] at 8 kHz."""
    random = np.random.default_rng(seed)
    country = str(random.choice(list(national_tones())))
    tones = national_tones()[country]
    case = _drawn(CASES, random)
    ending = _drawn(ENDINGS, random) if case in RINGING_CASES else "-"
    codec = _drawn({name: WEIGHTS[name] for name in STEREO} if case == "one_channel" else WEIGHTS, random)
    snr = _drawn(SNRS_DB, random)
    level = float(np.round(random.uniform(-40, 0), 1))
    if case == "level_changes":
        level /= 2  # it falls by up to 20 dB more
    ringing = tones.ring[random.integers(len(tones.ring))]
    network = Network(tones, ringing, ringing.cadences_ms[random.integers(len(ringing.cadences_ms))])
    scene = Scene(random, level)
    if case in RINGING_CASES:
        play_ringing(scene, network, case, ending)
    elif case == CUSTOM_RINGBACK:
        play_custom_ringback(scene)
    else:
        play_without_rings(scene, network, case)
    heard = sounds.tone(ringing.frequencies_hz, 1000, level, ringing.modulated_hz)
    noise_rms = 0.0 if snr is None else float(np.sqrt(np.mean(heard**2))) * sounds.gain(-snr)
    channel = int(random.integers(2)) if case == "one_channel" else None
    sound = send_through(scene, LineNoise(case, noise_rms, level), channel, random)
    truth = Truth(
        seed=seed,
        country=country,
        cadence_ms=network.cadence_ms,
        case=case,
        ending=ending,
        codec=codec,
        snr_db=snr,
        level_dbfs=level,
        channel=channel,
        rings=tuple(scene.rings),
        tones=tuple(scene.tones),
        duration_ms=len(sound) * 1000 / sounds.RATE_HZ,
    )
    return truth, sound


def _drawn(weights: Mapping[_Key, int], random: Random) -> _Key:
    shares = np.array(list(weights.values())) / sum(weights.values())
    return list(weights)[int(random.choice(len(weights), p=shares))]
