"""What telephone lines do to a call: noise of several kinds, hum, crackle, changing level, lost packets."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from benchmarks.rings import sounds
from benchmarks.rings.scene import Scene
from benchmarks.rings.sounds import RATE_HZ, Random, Sound, samples

#: A lost packet, and how many are lost (the issue's figures).
_PACKET_MS, _LOST = 20, 0.05
_MOST_GAIN_DB = 10.0


@dataclass(frozen=True, slots=True)
class LineNoise:
    """What the line adds: the call's case, the noise's RMS (0: none) and the level of the tones, peak dBFS."""

    case: str
    rms: float
    level_dbfs: float


def send_through(scene: Scene, noise: LineNoise, channel: int | None, random: Random) -> Sound:
    """The recording, [frames, channels]; with `channel` the far side is in that one of two, the near in the other."""
    far, near = scene.sides()
    level = _changing_gain(len(far), random) if noise.case == "level_changes" else 1.0
    # Comfort noise fills the pauses only; the others are there all the time.
    kind = str(random.choice(["white", "soft", "comfort"]))
    # The level changes for both, so that the ratio stays what the truth says.
    far = (far + _noise(far, kind, noise.rms, random)) * level
    if noise.case == "hum":
        far = far + sounds.hum(len(far), noise.level_dbfs + random.uniform(-24, -8), random)
    if noise.case == "clicks":
        far = far + sounds.clicks(len(far), noise.level_dbfs + random.uniform(-10, 10), random)
    if channel is None:
        mixed = (far + near)[:, None]
    else:
        near = near + _noise(near, "soft", noise.rms * random.uniform(0, 1), random)
        mixed = np.column_stack([far, near] if channel == 0 else [near, far])
    if noise.case == "packet_loss":
        mixed = mixed * _packets_kept(len(mixed), random)[:, None]
    return np.clip(mixed, -1, 1)


def _noise(sound: Sound, kind: str, rms: float, random: Random) -> Sound:
    if not rms:
        return np.zeros(len(sound))
    made = sounds.noise(len(sound), "soft" if kind == "comfort" else kind, random) * rms
    if kind == "comfort":
        made[_sounding(sound)] = 0
    return made


def _sounding(sound: Sound) -> npt.NDArray[np.bool_]:
    """Samples within 10 ms of something that is not silence."""
    return np.asarray(maximum_filter1d(sound != 0, 2 * samples(10) + 1))


def _changing_gain(count: int, random: Random) -> Sound:
    """A level that drifts or jumps by up to 20 dB over the call, downwards from full."""
    times = np.arange(count) / RATE_HZ
    change = random.uniform(0.5, 1) * _MOST_GAIN_DB
    how = str(random.choice(["swings", "fades", "jumps"]))
    if how == "swings":
        decibels = change * (np.sin(2 * np.pi * times / random.uniform(8, 40) + random.uniform(0, 6)) - 1)
    elif how == "fades":
        decibels = -2 * change * times / max(times[-1], 1e-3)
        decibels = decibels if random.random() < 0.5 else decibels[::-1]
    else:
        knots = np.sort(random.uniform(0, max(times[-1], 1e-3), 6))
        decibels = random.uniform(-2 * change, 0, 7)[np.searchsorted(knots, times)]
    return np.asarray(10 ** (decibels / 20))


def _packets_kept(count: int, random: Random) -> Sound:
    packet = samples(_PACKET_MS)
    kept = random.random(-(-count // packet)) >= _LOST
    return np.repeat(kept, packet)[:count].astype(np.float64)
