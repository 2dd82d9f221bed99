"""Real encoders: a call as the file that a recorder with that codec would have written.

libsndfile writes PCM, G.711 and GSM 6.10, FFmpeg (PyAV) MP3, Opus and AMR-NB. AMR is decoded again at once and handed
on as PCM, so that the benchmark measures the codec's damage to tones and not whether a container can be read.
"""

import io
from typing import cast

import av
import numpy as np
import numpy.typing as npt
import soundfile

from benchmarks.rings.sounds import RATE_HZ, Sound

#: Shares of the calls, percent.
WEIGHTS = {"pcm16": 14, "ulaw": 18, "alaw": 18, "gsm": 12, "mp3_16k": 13, "opus_12k": 13, "amr_12k": 12}
STEREO = ("pcm16", "ulaw", "alaw", "mp3_16k", "opus_12k")

#: What a codec's sound comes late by once decoded, ms (measured by correlation). The truth is about the sound.
DELAYS_MS = {"opus_12k": 6.5, "amr_12k": 5.0}

_LIBSNDFILE = {"pcm16": "PCM_16", "ulaw": "ULAW", "alaw": "ALAW", "gsm": "GSM610"}
#: FFmpeg's container and encoder, and bits per second for each channel.
_FFMPEG = {
    "mp3_16k": ("mp3", "libmp3lame", 16_000),
    "opus_12k": ("ogg", "libopus", 12_000),
    "amr_12k": ("amr", "libopencore_amrnb", 12_200),
}


def encoded(sound: Sound, codec: str) -> bytes:
    """The file: WAV, MP3 or Ogg. `sound` is [frames, channels] at 8 kHz."""
    if codec in _LIBSNDFILE:
        return _wave(np.rint(sound * 32767).astype(np.int16), _LIBSNDFILE[codec])
    data = _ffmpeg(np.rint(sound * 32767).astype(np.int16), *_FFMPEG[codec])
    return _wave(_decoded(data), "PCM_16") if codec.startswith("amr") else data


def _wave(pcm: npt.NDArray[np.int16], subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, pcm, RATE_HZ, format="WAV", subtype=subtype)
    return file.getvalue()


def _ffmpeg(pcm: npt.NDArray[np.int16], container: str, encoder: str, bit_rate: int) -> bytes:
    channels = pcm.shape[1]
    layout = "stereo" if channels == 2 else "mono"
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = cast(av.AudioStream, output.add_stream(encoder, rate=RATE_HZ, layout=layout))
        stream.bit_rate = bit_rate * channels
        interleaved = np.ascontiguousarray(pcm).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout=layout)
        frame.sample_rate = RATE_HZ
        resampler = av.AudioResampler(format=stream.format, layout=stream.layout, rate=RATE_HZ)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return file.getvalue()


def _decoded(data: bytes) -> npt.NDArray[np.int16]:
    with av.open(io.BytesIO(data), "r") as file:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
        pieces = [piece.to_ndarray()[0] for frame in file.decode(audio=0) for piece in resampler.resample(frame)]
    return np.concatenate(pieces)[:, None]
