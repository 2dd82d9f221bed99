"""What `ringtrue classify --json` says of a text, and where in it the words stand that are cited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ringtrue.messages import Answer, Shown, Span, Word
from ringtrue.outcomes import Language, label
from services.classifier.engine import Classification


def answer_for(classification: Classification, kind: str) -> Answer:
    """The answer for a type of order."""
    return classification.acquisition if kind == "ACQUISITION" else classification.sav


def document(
    classification: Classification, words: Sequence[Word], *, kind: str, engine: str, language: Language
) -> dict[str, Any]:
    """The classification of a text as JSON has it.

    Args:
        classification: What the engine said.
        words: The text's.
        kind: The type of order whose answer stands in front: ACQUISITION or SAV.
        engine: The engine's name.
        language: Of the label.
    """
    answer = answer_for(classification, kind)
    return {
        "outcome": answer.outcome,
        "outcomes": {"ACQUISITION": classification.acquisition.outcome, "SAV": classification.sav.outcome},
        "label": label(answer.outcome, language),
        "behaviour": classification.behaviour,
        "confidence": answer.score,
        "cited": [place(span, words) for span in answer.cited],
        "facts": facts(classification.shown or Shown(), words),
        "engine": engine,
        "model": classification.model or None,
        "prompt": classification.prompt or None,
    }


def facts(shown: Shown, words: Sequence[Word]) -> dict[str, Any]:
    """What the call shows beside its outcome, with the places of the words that say so; null where nothing tells."""
    values = {name: getattr(shown, name) for name in Shown.__dataclass_fields__}
    return {name: place(value, words) if isinstance(value, Span) else value for name, value in values.items()}


def place(span: Span, words: Sequence[Word]) -> dict[str, Any]:
    """Cited words and their place: counted from 0, `end_word` being the one after the last.

    Null where the words are none of these. A span may leave out fillers that were said between its words.
    """
    starts = (n for n, word in enumerate(words) if word.start_ms == span.start_ms and span.text.startswith(word.text))
    start = next(starts, None)
    ends = [n for n, word in enumerate(words) if word.end_ms == span.end_ms and span.text.endswith(word.text)]
    found = start is not None and bool(ends) and start <= ends[-1]
    return {"text": span.text, "start_word": start if found else None, "end_word": ends[-1] + 1 if found else None}
