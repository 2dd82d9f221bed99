from pathlib import Path

import pytest
import torch

from ringtrue.errors import Misconfigured
from ringtrue.outcomes import BAD, BEHAVIOUR_NOT_CLASSIFIED, GOOD
from services.classifier.engine import Transcript
from services.classifier.models.checkpoint import _longest, kinds_of
from services.classifier.models.sequence import SequenceEngine
from tests.unit.classifier.models.tiny import sequence

CODES = {place: str(code) for place, code in enumerate((0, 1, 2, 3, 4, 5, 6, 7))}
CALL = Transcript.of_text("allô oui je ne suis pas chez moi")


def engine(folder: Path, labels: dict[int, str], bias: dict[int, float] | None = None, **config: int) -> SequenceEngine:
    torch.set_num_threads(1)
    return SequenceEngine(str(sequence(folder, labels, bias=bias, **config)), device="cpu")


@pytest.mark.parametrize("labels", [CODES, {0: "refused", 1: "unreachable"}], ids=["codes", "names"])
def test_labels_are_codes_or_names(tmp_path: Path, labels: dict[int, str]) -> None:
    place = next(place for place, name in labels.items() if name in ("3", "unreachable"))
    (found,) = engine(tmp_path, labels, {place: 9.0}).classify_many([CALL])
    assert (found.acquisition.outcome, found.sav.outcome, found.behaviour) == (3, 3, BEHAVIOUR_NOT_CLASSIFIED)
    assert found.sav.score > 0.9
    assert found.sav.cited == ()
    assert found.model.startswith(f"{tmp_path.name}@")


@pytest.mark.parametrize(("likely", "behaviour"), [(1, BAD), (2, GOOD)])
def test_labels_may_say_the_behaviour_too(tmp_path: Path, likely: int, behaviour: int) -> None:
    (found,) = engine(tmp_path, {0: "31", 1: "10", 2: "11"}, {likely: 9.0}).classify_many([CALL])
    assert (found.sav.outcome, found.behaviour) == (1, behaviour)


def test_what_acquisition_does_not_know_is_another_matter_to_it(tmp_path: Path) -> None:
    (found,) = engine(tmp_path, CODES, {6: 9.0}).classify_many([CALL])
    assert (found.acquisition.outcome, found.sav.outcome) == (4, 6)


def test_what_is_not_likely_enough_is_no_answer(tmp_path: Path) -> None:
    (found,) = engine(tmp_path, CODES, {1: 1.0, 3: 1.1}).classify_many([CALL])
    assert (found.acquisition.outcome, found.sav.outcome) == (9, 9)
    assert 0 < found.sav.score < 0.5


@pytest.mark.parametrize("text", ["", "euh", "e"])
def test_a_call_in_which_nothing_was_said_is_silence_without_asking(tmp_path: Path, text: str) -> None:
    (found,) = engine(tmp_path, CODES, {1: 9.0}).classify_many([Transcript.of_text(text)])
    assert (found.acquisition.outcome, found.sav.outcome, found.behaviour, found.model) == (0, 0, GOOD, "")


def test_answers_do_not_hang_on_the_order_and_the_company(tmp_path: Path) -> None:
    judge = engine(tmp_path, CODES)
    calls = [Transcript.of_text("mots " * count + "voilà") for count in (1, 30, 3, 12, 7, 2, 50, 9, 4, 5)] * 2
    together = judge.classify_many(calls)
    alone = [judge.classify_many([call])[0] for call in calls]
    assert [found.sav.outcome for found in together] == [found.sav.outcome for found in alone]
    scores = [found.sav.score for found in together]
    assert scores == pytest.approx([found.sav.score for found in alone], abs=0.002)
    assert len(set(scores)) > 4


def test_a_long_call_is_read_at_its_beginning_and_its_end_and_says_so(tmp_path: Path) -> None:
    judge = engine(tmp_path, CODES)
    short, long = Transcript.of_text("oui merci"), Transcript.of_text("a" + " mot" * 100 + " z")
    assert [found.shortened for found in judge.classify_many([short, long])] == [False, True]
    ids, _ = judge._ids(long)
    text = judge._checkpoint.tokenizer.decode(ids)
    assert (text[:5], text[-5:], len(ids)) == ("a mot", "mot z", 125)


def test_a_model_that_counts_positions_from_its_padding_is_not_read_past_its_end() -> None:
    assert _longest({"model_type": "camembert", "max_position_embeddings": 514, "pad_token_id": 1}, _Words()) == 512
    assert _longest({"model_type": "bert", "max_position_embeddings": 512}, _Words()) == 512
    assert _longest({"model_type": "t5"}, _Words()) is None


class _Words:
    model_max_length = 10**30


@pytest.mark.parametrize("labels", [{0: "LABEL_0", 1: "LABEL_1"}, {0: "3", 1: "31"}, {0: "9"}, {0: "35"}])
def test_labels_that_mean_no_outcomes_are_named_with_what_is_expected(tmp_path: Path, labels: dict[int, str]) -> None:
    with pytest.raises(Misconfigured, match=f"id2label names {labels[0]}.*0, 1, 2, 3, 4, 5, 6, 7.*unreachable"):
        engine(tmp_path, labels)


def test_a_folder_says_what_its_model_was_made_for(tmp_path: Path) -> None:
    assert kinds_of(str(sequence(tmp_path, CODES))) == ("BertForSequenceClassification",)
    with pytest.raises(Misconfigured, match="RINGTRUE_CLASSIFIER__MODEL=''"):
        kinds_of("")


def test_its_version_changes_with_its_weights(tmp_path: Path) -> None:
    versions = {engine(tmp_path / name, CODES, {0: bias}).version for name, bias in (("a", 1.0), ("b", 2.0))}
    assert len({version.partition("@")[2] for version in versions}) == 2
