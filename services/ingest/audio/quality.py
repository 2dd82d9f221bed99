"""How good the sound of a channel is: level, noise, clipping and bandwidth, cheaply, and what people should know of it.

The methods, and what they do not see, are told at each function. All of it costs less than decoding.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ringtrue.messages import ChannelSound
from services.ingest.audio.levels import Levels, cells_of, noise_floor, powers
from services.ingest.audio.resample import Samples
from services.ingest.audio.spectrum import CELL_MS, Cells
from services.ingest.audio.speech import Region

#: A clipped wave lies flat for 0.5 ms and longer within 1 % of the channel's highest (or lowest) value, which a tone
#: above 150 Hz that is whole does not. Quieter peaks than -30 dBFS have too few steps to tell.
_FLAT_MS, _FLAT, _LEAST_PEAK = 0.5, 0.99, 1_036
_SECONDS_AT_ONCE = 60
#: Less speech says nothing of its level.
_LEAST_SPEECH_CELLS = 25
#: The estimate of a pause's noise is no better.
_MOST_SNR_DB = 60.0
#: Band limits are read from at most so many frames of 32 ms, spread over the speech, in bands of 250 Hz. A band counts
#: when it holds more than -50 dB of the speech (fricatives hold -40, what resampling leaves -60), and half as much
#: again as in the pauses.
_FRAME_MS, _MOST_FRAMES, _BAND_HZ = 32, 400, 250
_LEAST_SHARE, _ABOVE_PAUSES = 10**-5.0, 1.5

#: From here on people are told. A twentieth of the sound clipped; 20 dB below the -26 dBov that telephone speech is
#: normalised to (ITU-T P.56 with P.830); the SNR from which recognition suffers.
_CLIPPED, _QUIET_DBFS, _NOISY_DB = 0.05, -43.0, 10.0


def channel_sound(
    channel: int,
    samples: Samples,
    rate_hz: int,
    levels: Levels,
    speech: Sequence[Region],
    tones: Sequence[Region],
) -> ChannelSound:
    """The facts of one channel.

    Args:
        channel: Its number, from 0.
        samples: As it was decoded.
        rate_hz: Their rate.
        levels: From `cell_levels`.
        speech: Where the detector hears speech, without tones.
        tones: Rings and other tones.
    """
    count = len(levels)
    is_tone, is_speech = cells_of(tones, count), cells_of(speech, count)
    floor = noise_floor(levels, is_tone)
    heard = is_speech | is_tone
    level = _speech_level(levels, is_speech)
    highest, lowest = int(samples.max(initial=0)), int(samples.min(initial=0))
    return ChannelSound(
        channel=channel,
        speech_ms=sum(end - start for start, end in speech),
        peak_dbfs=_rounded(20 * np.log10(max(highest, -lowest, 1) / 32_768)),
        speech_dbfs=None if level is None else _rounded(level),
        noise_dbfs=None if floor is None else _rounded(floor),
        snr_db=None if level is None or floor is None else _rounded(_snr(level, floor)),
        clipped_share=_clipped_share(samples, rate_hz, (highest, lowest), heard),
        bandwidth_hz=_bandwidth(samples, rate_hz, is_speech, levels, is_tone),
    )


def warnings_of(sounds: Sequence[ChannelSound]) -> list[str]:
    """What people should know of the channels' sound, in sentences."""
    found = []
    for sound in sounds:
        where = f"channel {sound.channel}: " if len(sounds) > 1 else ""
        if sound.clipped_share >= _CLIPPED:
            found.append(f"{where}the sound is clipped ({sound.clipped_share:.0%} of it); words may be misheard")
        if sound.speech_dbfs is not None and sound.speech_dbfs < _QUIET_DBFS:
            found.append(f"{where}the speech is very quiet ({sound.speech_dbfs:.0f} dBFS); words may be missed")
        if sound.snr_db is not None and sound.snr_db < _NOISY_DB:
            found.append(f"{where}the line is noisy ({sound.snr_db:.0f} dB below speech); words may be misheard")
    return found


def _rounded(value: float) -> float:
    return round(float(value), 1)


def _speech_level(levels: Levels, is_speech: Cells) -> float | None:
    """Mean power while somebody speaks (the active level of ITU-T P.56, activity being the detector's)."""
    spoken = levels[is_speech]
    return float(10 * np.log10(powers(spoken).mean())) if len(spoken) >= _LEAST_SPEECH_CELLS else None


def _snr(level_dbfs: float, floor_dbfs: float) -> float:
    """Speech without its noise over the noise of the pauses. A codec that silences pauses makes it too good."""
    noise = 10 ** (floor_dbfs / 10)
    speech = max(10 ** (level_dbfs / 10) - noise, noise / 10)
    return float(min(10 * np.log10(speech / noise), _MOST_SNR_DB))


def _clipped_share(samples: Samples, rate_hz: int, extremes: tuple[int, int], heard: Cells) -> float:
    """The share of the cells of speech and tones in which a wave lies flat; what a lossy codec rounds is not seen."""
    highest, lowest = (round(_FLAT * extreme) for extreme in extremes)
    cell, flat = rate_hz * CELL_MS // 1000, round(_FLAT_MS * rate_hz / 1000)
    if max(extremes[0], -extremes[1]) < _LEAST_PEAK or not heard.any():
        return 0.0
    clipped = np.zeros(len(heard), np.bool_)
    step = rate_hz * _SECONDS_AT_ONCE
    for start in range(0, len(samples) - flat + 1, step):
        block = samples[start : start + step + flat - 1]
        for at_limit in (block >= max(highest, _LEAST_PEAK), block <= min(lowest, -_LEAST_PEAK)):
            if at_limit.any():
                lasting = np.logical_and.reduce([at_limit[at : len(at_limit) - flat + 1 + at] for at in range(flat)])
                clipped[(start + np.flatnonzero(lasting)) // cell] = True
    return round(float(np.count_nonzero(clipped & heard) / np.count_nonzero(heard)), 3)


def _bandwidth(samples: Samples, rate_hz: int, is_speech: Cells, levels: Levels, is_tone: Cells) -> int | None:
    """Up to which frequency the speech goes, from its mean spectrum less that of the pauses, hertz.

    An 8 kHz recording that was brought to a higher rate shows at most 4,000. Images that a bad resampler leaves are
    taken for sound.
    """
    spoken, frames = _spectrum(samples, rate_hz, is_speech)
    if frames < _LEAST_SPEECH_CELLS:
        return None
    pauses = ~is_speech & ~is_tone & (levels <= (noise_floor(levels, is_tone) or 0.0) + 3.0)
    between, _ = _spectrum(samples, rate_hz, pauses)
    counts = (spoken - between > _LEAST_SHARE * spoken.sum()) & (spoken > _ABOVE_PAUSES * between)
    return (int(np.flatnonzero(counts)[-1]) + 1) * _BAND_HZ if counts.any() else None


def _spectrum(samples: Samples, rate_hz: int, cells: Cells) -> tuple[npt.NDArray[np.float64], int]:
    """Mean power of some of the cells in bands of 250 Hz, and how many frames it is of."""
    length = rate_hz * _FRAME_MS // 1000
    starts = np.flatnonzero(cells) * (rate_hz * CELL_MS // 1000)
    starts = starts[starts + length <= len(samples)]
    starts = starts[np.linspace(0, len(starts) - 1, min(len(starts), _MOST_FRAMES)).astype(np.int64)]
    frames = np.array([samples[start : start + length] for start in starts], np.float64).reshape(-1, length)
    # The usual window squared: its side lobes stay below what resampling leaves.
    power = np.abs(np.fft.rfft(frames * np.hanning(length) ** 2, axis=1)) ** 2
    bins = _BAND_HZ * length // rate_hz
    mean = power.mean(axis=0) if len(frames) else np.zeros(length // 2 + 1)
    return mean[1:].reshape(-1, bins).sum(axis=1), len(frames)
