"""Runs of tokens become words as the reference tokenizer reads them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from transformers import Wav2Vec2CTCTokenizer

from services.asr.ctc.collapse import Vocabulary, collapse

TOKENS = ["<pad>", "<unk>", "|", "a", "b", "é", "sch"]
VOCABULARY = Vocabulary.of(TOKENS, blank="<pad>", delimiter="|")


def heard(tokens: list[int], vocabulary: Vocabulary = VOCABULARY) -> list[tuple[str, tuple[object, ...]]]:
    return list(collapse(np.array(tokens, np.int64), np.ones(len(tokens)), [len(tokens)], vocabulary, 20))


def test_words_have_times_and_the_mean_probability_of_their_letters() -> None:
    best = np.array([0, 3, 3, 0, 4, 2, 2, 0, 5, 0])
    probability = np.array([1, 0.5, 0.7, 0.1, 0.9, 1, 1, 1, 0.4, 1])
    ((text, words),) = collapse(best, probability, [10], VOCABULARY, 20)
    assert text == "ab é"
    assert [(w.text, w.start_ms, w.end_ms, round(w.confidence, 6)) for w in words] == [
        ("ab", 20, 100, 0.7),
        ("é", 160, 180, 0.4),
    ]


def test_a_blank_keeps_double_letters_and_a_segments_end_separates_runs() -> None:
    assert heard([3, 0, 3])[0][0] == "aa"
    assert [text for text, _ in collapse(np.array([3, 3, 3]), np.ones(3), [1, 0, 2], VOCABULARY, 20)] == ["a", "", "a"]
    assert collapse(np.array([], np.int64), np.array([]), [0, 0], VOCABULARY, 20) == [("", ()), ("", ())]


def test_tokens_that_say_the_same_are_one() -> None:
    twins = Vocabulary.of(["<pad>", "|", "x", "x"], blank="<pad>", delimiter="|")
    assert heard([2, 3], twins)[0][0] == "x"


@given(st.lists(st.lists(st.integers(0, len(TOKENS) - 1), max_size=30), min_size=1, max_size=4))
def test_text_and_words_are_the_reference_tokenizers(rows: list[list[int]]) -> None:
    flat = np.array([token for row in rows for token in row], np.int64)
    ours = collapse(flat, np.ones(len(flat)), [len(row) for row in rows], VOCABULARY, 1)
    for (text, words), row in zip(ours, rows, strict=True):
        reference: Any = TOKENIZER.decode(row, output_word_offsets=True)
        assert text == reference.text
        if reference.word_offsets and reference.word_offsets[0]["word"] == "":
            reference.word_offsets.pop(0)
        assert [(w.text, w.start_ms, w.end_ms) for w in words] == [
            (w["word"], w["start_offset"], w["end_offset"]) for w in reference.word_offsets
        ]


def _tokenizer() -> Wav2Vec2CTCTokenizer:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocab.json"
        path.write_text(json.dumps({token: i for i, token in enumerate(TOKENS)}), "utf-8")
        return Wav2Vec2CTCTokenizer(path, bos_token=None, eos_token=None)


TOKENIZER = _tokenizer()
