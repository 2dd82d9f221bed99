"""Good recordings of every format, short and loud all through, for the corpus and the mutations to damage."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from examples import synth
from tests.encoders import encoded_by_av

_MS = 1_500


def _sound(rate_hz: int) -> synth.Sound:
    return np.asarray(synth.tone([425, 700], _MS, -6, rate_hz) + synth.noise(_MS, -40, 1, rate_hz))


def _by_sndfile(codec: str) -> bytes:
    return synth.encoded(_sound(8_000), codec)


def _by_av(container: str, codec: str, rate_hz: int, bit_rate: int = 0, **options: str) -> bytes:
    return encoded_by_av(_sound(rate_hz), container, codec, rate_hz, bit_rate, options)


_MAKERS: dict[str, Callable[[], bytes]] = {
    **{codec: partial(_by_sndfile, codec) for codec in synth.CODECS},
    "float": lambda: _by_av("wav", "pcm_f32le", 8_000),
    "ms-adpcm": lambda: _by_av("wav", "adpcm_ms", 8_000),
    "ima-adpcm": lambda: _by_av("wav", "adpcm_ima_wav", 8_000),
    "g722": lambda: _by_av("wav", "g722", 16_000),
    "g726": lambda: _by_av("wav", "g726", 8_000, 32_000),
    "rf64": lambda: _by_av("wav", "pcm_s16le", 8_000, rf64="always"),
    "aiff": lambda: _by_av("aiff", "pcm_s16be", 8_000),
    "au": lambda: _by_av("au", "pcm_mulaw", 8_000),
    "m4a": lambda: _by_av("ipod", "aac", 16_000, 32_000),
    "fragmented-mp4": lambda: _by_av("mp4", "aac", 16_000, 32_000, movflags="frag_keyframe+empty_moov"),
    "aac": lambda: _by_av("adts", "aac", 16_000, 32_000),
    "webm": lambda: _by_av("webm", "libopus", 48_000, 24_000),
    "amr": lambda: _by_av("amr", "libopencore_amrnb", 8_000, 12_200),
    "wma": lambda: _by_av("asf", "wmav2", 16_000, 32_000),
}

NAMES = tuple(_MAKERS)


@cache
def base(name: str) -> bytes:
    """The good file of that name."""
    return _MAKERS[name]()
