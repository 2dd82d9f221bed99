"""What stands before the transcript: words that are likely to occur, and a text that the audio may continue."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import structlog
from transformers import WhisperTokenizer

from services.asr.engine import EngineError

_log = structlog.get_logger()


def prompt_ids(tokenizer: WhisperTokenizer, prompt: str, vocabulary: Sequence[str], longest: int) -> list[int]:
    """The tokens of `<|startofprev|>`, the vocabulary as a list, and the prompt; none where there is neither.

    Whisper leaves half of the decoder's positions to them. What does not fit is left out, with a warning: of a long
    prompt the beginning, as OpenAI's `decoding.py` does, since its end touches the audio; of the vocabulary, which
    yields to the prompt, whole words from its end.

    Args:
        tokenizer: The checkpoint's.
        prompt: Text; its own spelling and punctuation is what the model imitates.
        vocabulary: Words, the most important first.
        longest: The decoder's positions.

    Raises:
        EngineError: One of them holds the name of a token such as `<|fr|>`.
    """
    room = longest // 2 - 1

    def ids(text: str, setting: str) -> list[int]:
        try:
            return [int(token) for token in tokenizer.get_prompt_ids(text)]
        except ValueError as failure:
            raise EngineError(f"{setting}: {failure}") from failure

    words = [word.strip() for word in vocabulary if word.strip()]
    if prompt.strip():
        mark, *tail = ids(prompt, "RINGTRUE_ASR__PROMPT")
    elif words:
        mark, tail = ids(words[0], "RINGTRUE_ASR__VOCABULARY")[0], []
    else:
        return []
    if len(tail) > room:
        _log.warning("prompt cut", tokens=len(tail), kept=room, setting="RINGTRUE_ASR__PROMPT")
        tail = tail[-room:]

    def listed(count: int) -> list[int]:
        return ids(", ".join(words[:count]) + ".", "RINGTRUE_ASR__VOCABULARY")[1:] if count else []

    kept = bisect_right(range(len(words) + 1), room - len(tail), key=lambda count: len(listed(count))) - 1
    if kept < len(words):
        _log.warning("vocabulary cut", words=len(words), kept=kept, setting="RINGTRUE_ASR__VOCABULARY")
    return [mark, *listed(kept), *tail]
