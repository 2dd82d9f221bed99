"""A sequence classification model of one's own: one label for a call, in batches, offline.

Its labels (`id2label` in config.json) say what they mean in one of these ways: the code of an outcome (`3`), its name
(`unreachable`), or a code with the behaviour behind it (`31`: unreachable, and good; `30`: and rude). Codes without
behaviour leave it not classified. The answers are the likeliest outcomes; what an order's type does not know (nobody at
home, to ACQUISITION) is another matter to it (4). A probability below the margin is no answer (9): a guess would accuse
someone. Such a model cites no words. Calls without words, or with fillers alone, are silence (0) without asking it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from transformers import AutoModelForSequenceClassification

from ringtrue.errors import Misconfigured
from ringtrue.messages import Answer
from ringtrue.outcomes import BAD, BEHAVIOUR_NOT_CLASSIFIED, CODES, GOOD, Outcome
from services.classifier.engine import Classification, Transcript
from services.classifier.lexicon import DEFAULT_LEXICON, load_lexicon
from services.classifier.models.checkpoint import open_checkpoint
from services.classifier.reading import read

#: Texts that go through the model together.
_BATCH: Final = 16
_MARGIN: Final = 0.5
#: Of a text that is too long, this share of what fits is its beginning, the rest its end: there a call is decided.
_HEAD: Final = 0.25
#: Tokens that may be more where the two meet, as they are read anew.
_JOINT: Final = 4
#: Positions where a checkpoint does not say how many it has.
_LONGEST: Final = 512
_NAMES: Final = {outcome.name.lower(): outcome for outcome in CODES["SAV"]}

_SILENCE: Final = Answer(outcome=int(Outcome.SILENCE), score=1.0, cited=())


@dataclass(frozen=True, slots=True)
class _Label:
    outcome: Outcome
    behaviour: int


class SequenceEngine:
    """See `Classifier`.

    Args:
        model: The checkpoint's folder.
        device: `auto` (a GPU when there is one), `cpu` or `cuda:N`.
        margin: An outcome must be at least so likely.
        batch: So many texts go through the model together.

    Raises:
        Misconfigured: The checkpoint cannot be used, its labels mean no outcomes, or there is no such device.
    """

    name = "local"

    def __init__(self, model: str, *, device: str = "auto", margin: float = _MARGIN, batch: int = _BATCH) -> None:
        self._checkpoint = open_checkpoint(model, AutoModelForSequenceClassification, device)
        self._labels = _labels(model, self._checkpoint.network.config.id2label)
        self._margin = margin
        self._batch = batch
        tokenizer = self._checkpoint.tokenizer
        self._longest = self._checkpoint.longest or _LONGEST
        self._room = self._longest - tokenizer.num_special_tokens_to_add()
        self._padding = tokenizer.pad_token_id or 0
        self._lexicon, lexicon = load_lexicon(DEFAULT_LEXICON)
        self.version = f"{self._checkpoint.name}/{margin:g}/{lexicon}"

    def classify_many(self, transcripts: Sequence[Transcript]) -> list[Classification]:
        """See `Classifier`."""
        results = [Classification(acquisition=_SILENCE, sav=_SILENCE, behaviour=GOOD) for _ in transcripts]
        asked = [
            (place, *self._ids(transcript))
            for place, transcript in enumerate(transcripts)
            if read(transcript, self._lexicon).spoken
        ]
        asked.sort(key=lambda one: len(one[1]))  # so that little is padded
        for start in range(0, len(asked), self._batch):
            batch = asked[start : start + self._batch]
            for (place, _, shortened), row in zip(
                batch, self._probabilities([ids for _, ids, _ in batch]), strict=True
            ):
                results[place] = self._classification(row, shortened)
        return results

    def _ids(self, transcript: Transcript) -> tuple[list[int], bool]:
        """The text's tokens, and whether they are its beginning and its end only."""
        tokenizer = self._checkpoint.tokenizer
        text = " ".join(word.text for word in transcript.words)
        places = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        shortened = len(places) > self._room
        if shortened:
            room = self._room - _JOINT
            head = int(room * _HEAD)
            text = f"{text[: places[head][0]]} {text[places[head - room][0] :]}"
        ids = tokenizer(text, truncation=True, max_length=self._longest)["input_ids"]
        return [int(one) for one in ids], shortened

    def _probabilities(self, texts: Sequence[list[int]]) -> list[list[float]]:
        width = max(len(ids) for ids in texts)
        ids = torch.full((len(texts), width), self._padding)
        mask = torch.zeros((len(texts), width), dtype=torch.long)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        device = self._checkpoint.device
        with torch.inference_mode():
            logits = self._checkpoint.network(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
        rows: list[list[float]] = torch.softmax(logits.float(), dim=1).tolist()
        return rows

    def _classification(self, row: Sequence[float], shortened: bool) -> Classification:
        return Classification(
            acquisition=self._answer(row, "ACQUISITION"),
            sav=self._answer(row, "SAV"),
            behaviour=self._behaviour(row),
            model=self._checkpoint.name,
            shortened=shortened,
        )

    def _answer(self, row: Sequence[float], kind: str) -> Answer:
        likely = dict.fromkeys(CODES[kind], 0.0)
        for label, probability in zip(self._labels, row, strict=True):
            likely[label.outcome if label.outcome in likely else Outcome.OTHER] += probability
        outcome, score = max(likely.items(), key=lambda item: (item[1], -item[0]))
        if score < self._margin:
            outcome = Outcome.NOT_CLASSIFIED
        return Answer(outcome=int(outcome), score=round(score, 3), cited=())

    def _behaviour(self, row: Sequence[float]) -> int:
        if self._labels[0].behaviour == BEHAVIOUR_NOT_CLASSIFIED:
            return BEHAVIOUR_NOT_CLASSIFIED
        rude = sum(probability for label, probability in zip(self._labels, row, strict=True) if label.behaviour == BAD)
        return BAD if rude > 0.5 else GOOD


def _labels(model: str, names: dict[Any, str]) -> list[_Label]:
    labels = [_label(names[place]) for place in sorted(names)]
    found = [label for label in labels if label is not None]
    if len(found) < len(labels) or len({label.behaviour == BEHAVIOUR_NOT_CLASSIFIED for label in found}) != 1:
        named, names_of = ", ".join(map(str, names.values())), ", ".join(_NAMES)
        codes = ", ".join(sorted(str(int(code)) for code in _NAMES.values()))
        raise Misconfigured(
            f"{model}/config.json: id2label names {named}; expected are codes of outcomes ({codes}), all alone or all "
            f"with the behaviour behind them (30, 31), or the names {names_of}"
        )
    return found


def _label(name: str) -> _Label | None:
    name = str(name).strip().lower()
    if name in _NAMES:
        return _Label(_NAMES[name], BEHAVIOUR_NOT_CLASSIFIED)
    codes = {str(int(outcome)): outcome for outcome in _NAMES.values()}
    if name in codes:
        return _Label(codes[name], BEHAVIOUR_NOT_CLASSIFIED)
    if len(name) == 2 and name[0] in codes and name[1] in (str(BAD), str(GOOD)):
        return _Label(codes[name[0]], int(name[1]))
    return None
