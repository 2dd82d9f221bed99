"""Guards against what Whisper makes up: what counts as no speech, as a loop, as unsure, and what is believed at last.

The numbers are those of OpenAI's `whisper/transcribe.py`, and so is the order of questions. Two things differ:

- How much a text repeats is measured on its letters, not on its UTF-8: an Arabic letter is two bytes of which the first
  hardly varies, so that every long Arabic text, however rich, would exceed OpenAI's 2.4.
- When no temperature gives a text that passes, OpenAI takes the last. Here a loop is never reported, because a sentence
  that nobody spoke, fifty times over, is worse evidence than none; of the others the likeliest is taken, since the last
  was drawn at temperature 1 and is hardly more than noise.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: What a window is decoded at, one after another, until a text passes.
TEMPERATURES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
#: A text that zlib makes this much shorter is a loop (`compression_ratio_threshold`).
MOST_REPETITION: Final = 2.4
#: A text whose tokens' mean log-probability is below this is unsure (`logprob_threshold`).
LEAST_LOGPROB: Final = -1.0
#: Where no speech is likelier than this and the text is unsure, nothing was said (`no_speech_threshold`).
MOST_NO_SPEECH: Final = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the decoder wrote about one window at one temperature.

    Attributes:
        tokens: Of the text.
        probabilities: Of each token, under those that may be written at all: float32 [tokens], in 0..1.
        logprob: The mean of their logarithms and of the end's, as OpenAI's `avg_logprob`.
        no_speech: The probability that nothing is said in the window.
        alignment: How much each token, and the end, belongs to each position of 20 ms: float32 [tokens + 1, positions].
        alternatives: What other beams wrote, best first.
    """

    text: str
    tokens: tuple[int, ...]
    probabilities: NDArray[np.float32]
    logprob: float
    no_speech: float
    alignment: NDArray[np.float32]
    alternatives: tuple[str, ...] = ()

    @property
    def silent(self) -> bool:
        """Whether the model holds that nothing was said, and is not sure of a text either."""
        return self.no_speech > MOST_NO_SPEECH and self.unsure

    @property
    def unsure(self) -> bool:
        """Whether its tokens are too unlikely; also when arithmetic failed and there is no number."""
        return not self.logprob >= LEAST_LOGPROB

    @property
    def looping(self) -> bool:
        """Whether it repeats itself."""
        return repetition(self.text) > MOST_REPETITION

    @property
    def settled(self) -> bool:
        """Whether no other temperature is worth trying."""
        return self.silent or not (self.unsure or self.looping)


def repetition(text: str) -> float:
    """How many times shorter zlib makes a text of one byte for each letter; 0 for none."""
    order = {letter: index % 256 for index, letter in enumerate(dict.fromkeys(text))}
    letters = bytes(order[letter] for letter in text)
    return len(letters) / len(zlib.compress(letters))


def believed(readings: Sequence[Reading]) -> Reading | str:
    """What holds of the readings of one window at rising temperatures; else why nothing does, in a word or two."""
    last = readings[-1]
    if last.silent:
        return "no speech"
    if last.settled:
        return last
    sound = [reading for reading in readings if not reading.looping]
    return max(sound, key=lambda reading: np.nan_to_num(reading.logprob, nan=-np.inf)) if sound else "repetition"
