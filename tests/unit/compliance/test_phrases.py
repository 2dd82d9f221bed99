"""Phrases that the last call must hold, or must not."""

from pathlib import Path

import pytest
import yaml

from ringtrue.errors import Misconfigured
from ringtrue.messages import Evidence
from services.compliance.in_force import rules_hash
from services.compliance.phrases import found_in
from services.compliance.rules_shown import explain_rules
from services.compliance.ruleset import DEFAULT_RULES, load_ruleset
from tests.unit.compliance.cases import CITED, RULES, a_call, an_order, changed, finding, judged, results

ASKING = changed(
    required_phrases={"ACQUISITION": ("service technique", "l'installation")},
    forbidden_phrases={"ACQUISITION": ("tant pis",), "SAV": ("tant pis",)},
)
SAID = "Bonjour, le Service  Technique — pour l’installation"
ORDER = an_order(1)


@pytest.mark.parametrize(
    ("transcript", "phrase", "stands"),
    [
        ("Ça, c'est l’été !", "ca c'est l'ete", True),
        ("le service. Technique", "service technique", True),
        ("services techniques", "service technique", False),
        ("technique service", "service technique", False),
        ("tout est contant", "tant", False),
        ("عَلَيْكُمُ السَّلامُ", "عليكم السلام", True),
        ("العلبــة الصوتية", "العلبه الصوتيه", True),
        ("", "allô", False),
    ],
)
def test_a_phrase_stands_where_its_words_do_one_after_the_other(transcript: str, phrase: str, stands: bool) -> None:
    assert found_in(transcript, [phrase]) == ((phrase,) if stands else ())


def test_rules_without_phrases_are_not_in_force() -> None:
    assert "required_phrases" not in results(judged(ORDER, a_call("09:00", 1)))
    assert rules_hash(changed(required_phrases={"ACQUISITION": (), "SAV": ()})) == rules_hash(RULES)
    assert rules_hash(ASKING) != rules_hash(RULES)


def test_a_rules_file_of_before_phrases_has_none(tmp_path: Path) -> None:
    values = yaml.safe_load(DEFAULT_RULES.read_text(encoding="utf-8"))
    del values["required_phrases"], values["forbidden_phrases"]
    older = tmp_path / "rules.yaml"
    older.write_text(yaml.safe_dump(values), encoding="utf-8")
    assert rules_hash(load_ruleset("Africa/Casablanca", older)) == rules_hash(RULES)


@pytest.mark.parametrize("lists", [{"OTHER": ["allô"]}, {"SAV": ["?!"]}, ["allô"]])
def test_wrong_lists_are_refused(tmp_path: Path, lists: object) -> None:
    values = yaml.safe_load(DEFAULT_RULES.read_text(encoding="utf-8")) | {"required_phrases": lists}
    wrong = tmp_path / "rules.yaml"
    wrong.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(Misconfigured, match="required_phrases"):
        load_ruleset("Africa/Casablanca", wrong)


def test_a_last_call_with_every_required_phrase_and_no_forbidden_one_passes() -> None:
    evaluation = judged(ORDER, a_call("09:00", 1, transcript=SAID), rules=ASKING)
    assert results(evaluation)["required_phrases"] == results(evaluation)["forbidden_phrases"] == "passed"
    assert evaluation.verdict == "compliant"
    assert finding(evaluation, "required_phrases").parameters == {
        "required_phrases": "service technique; l'installation"
    }
    assert [fact.fact for fact in finding(evaluation, "required_phrases").evidence] == [
        "prononcé : « service technique »",
        "prononcé : « l'installation »",
    ]


def test_one_missing_phrase_fails_and_is_named() -> None:
    evaluation = judged(ORDER, a_call("09:00", 1, transcript="service technique"), rules=ASKING)
    assert results(evaluation)["required_phrases"] == "failed phrase_missing"
    assert evaluation.verdict == "non_compliant"
    assert evaluation.comment == "Formule obligatoire absente"
    assert finding(evaluation, "required_phrases").evidence == (
        Evidence(call_id="bucket/09:00", fact="non prononcé : « l'installation »"),
    )


def test_a_forbidden_phrase_fails_for_every_motif_and_is_named() -> None:
    calls = a_call("09:00"), a_call("11:00"), a_call("13:00", transcript=f"{SAID}, tant pis")
    evaluation = judged(an_order(3), *calls, rules=ASKING)
    assert results(evaluation)["forbidden_phrases"] == "failed phrase_forbidden"
    assert finding(evaluation, "forbidden_phrases").evidence == (
        Evidence(call_id="bucket/13:00", fact="prononcé : « tant pis »"),
    )


def test_a_phrase_within_the_words_that_are_cited_has_its_place() -> None:
    rules = changed(forbidden_phrases={"ACQUISITION": ("correspondant",)})
    call = a_call("09:00", 3, transcript=CITED.text)
    (evidence,) = finding(judged(an_order(3), call, rules=rules), "forbidden_phrases").evidence
    assert (evidence.start_ms, evidence.end_ms) == (CITED.start_ms, CITED.end_ms)


def test_only_the_last_call_is_asked() -> None:
    calls = a_call("09:00", 4, transcript="tant pis"), a_call("11:00", 1, transcript=SAID)
    assert judged(ORDER, *calls, rules=ASKING).verdict == "compliant"


@pytest.mark.parametrize(
    ("status", "transcript", "reason"),
    [
        ("complete", None, "transcript_partial"),
        ("partial", None, "transcript_partial"),
        ("partial", "service technique", "transcript_partial"),
        ("partial", "service technique, l\ninstallation, tant\npis", "transcript_partial"),
        ("failed", "tant pis", "call_failed"),
    ],
)
def test_what_was_not_heard_of_a_call_is_never_held_against_anyone(
    status: str, transcript: str | None, reason: str
) -> None:
    evaluation = judged(ORDER, a_call("09:00", 1, status=status, transcript=transcript), rules=ASKING)
    for rule in ("required_phrases", "forbidden_phrases"):
        assert results(evaluation)[rule] == f"undetermined {reason}"
    assert evaluation.verdict == "to_review"


def test_what_was_heard_of_a_partial_call_was_said() -> None:
    call = a_call("09:00", 1, status="partial", transcript=f"{SAID}\net tant pis")
    evaluation = judged(ORDER, call, rules=ASKING)
    assert results(evaluation)["required_phrases"] == "passed"
    assert results(evaluation)["forbidden_phrases"] == "failed phrase_forbidden"
    assert [fact.fact for fact in finding(evaluation, "forbidden_phrases").evidence] == ["prononcé : « tant pis »"]


def test_a_phrase_stands_over_the_lines_of_a_whole_transcript_only() -> None:
    whole = a_call("09:00", 1, transcript=f"{SAID}\ntant\npis")
    assert results(judged(ORDER, whole, rules=ASKING))["forbidden_phrases"] == "failed phrase_forbidden"


def test_an_unknown_outcome_does_not_make_words_unknown() -> None:
    evaluation = judged(ORDER, a_call("09:00", 9, transcript="tant pis"), rules=ASKING)
    assert results(evaluation)["forbidden_phrases"] == "failed phrase_forbidden"


def test_an_undated_call_may_be_the_last() -> None:
    calls = a_call("09:00", 1, transcript=SAID), a_call(None, 1, transcript="tant pis", call_id="undated")
    evaluation = judged(ORDER, *calls, rules=ASKING)
    assert results(evaluation)["forbidden_phrases"] == "undetermined date_unknown"


def test_without_any_call_or_any_phrase_for_the_type_they_do_not_apply() -> None:
    assert results(judged(ORDER, rules=ASKING))["required_phrases"] == "not_applicable"
    sav = judged(an_order(1, kind="SAV"), a_call("09:00", 1, branch="ADSL_SAV", transcript=""), rules=ASKING)
    assert results(sav)["required_phrases"] == "not_applicable"
    assert results(sav)["forbidden_phrases"] == "passed"


def test_the_phrases_in_force_are_told() -> None:
    told = explain_rules(ASKING.model_copy(update={"required_phrases": {**ASKING.required_phrases, "SAV": ()}}), "en")
    lines = told.splitlines()
    assert lines[-2].endswith("each of these phrases: ACQUISITION: “service technique”, “l'installation”")
    assert explain_rules(RULES, "fr").splitlines()[-1].endswith("Pas en vigueur : aucune formule.")
