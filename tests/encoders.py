"""Recordings made by real encoders: libsndfile's through `examples.synth`, the others' through PyAV."""

import io

import av
import numpy as np
from av.audio.stream import AudioStream

from examples.synth import Sound

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_BLOCK = 1_024


def encoded_by_av(
    sound: Sound, container: str, codec: str, rate_hz: int, bit_rate: int = 0, options: dict[str, str] | None = None
) -> bytes:
    """A file with this sound; a 2-D array is [frames, channels].

    Args:
        sound: Samples in [-1, 1].
        container: ffmpeg's name of a muxer.
        codec: ffmpeg's name of an encoder.
        rate_hz: Sampling rate.
        bit_rate: Bits per second, 0 for the encoder's own choice.
        options: The muxer's.
    """
    samples = np.rint(np.clip(sound, -1, 1) * 32_767).astype(np.int16).reshape(len(sound), -1)
    layout = _LAYOUTS[samples.shape[1]]
    data = io.BytesIO()
    with av.open(data, "w", format=container, options=options or {}) as file:
        stream = file.add_stream(codec, rate=rate_hz, layout=layout)
        assert isinstance(stream, AudioStream)
        if bit_rate:
            stream.bit_rate = bit_rate
        file.start_encoding()
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate_hz, 0
        pieces = av.AudioResampler(
            format=stream.format.name, layout=layout, rate=rate_hz, frame_size=stream.frame_size or _BLOCK
        )
        for piece in [*pieces.resample(frame), *pieces.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return data.getvalue()
