"""The JSON forms of what the queries answer: plain dictionaries, for `--json` and for the demo.

Times are integers in milliseconds: UTC where the name ends in `_at_ms`, from the recording's start otherwise.
"""

from base64 import b64encode
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from ringtrue.errors import Away, BadRecord
from ringtrue.outcomes import Language, label
from ringtrue.results.calls import Call, calls_by_id, find_calls
from ringtrue.results.cases import ATTEMPTS, FINDINGS, Case, find_cases
from ringtrue.results.queries import Letter, Story, find_letters
from ringtrue.streaming.codec import Codec

Document = dict[str, Any]


def results_document(connection: sa.Connection, language: Language) -> Document:
    """All results: orders in their manifests' order, calls by id, and what failed or was refused and why."""
    cases = sorted(find_cases(connection), key=lambda case: (case.manifest, case.row))
    calls = sorted(find_calls(connection), key=lambda call: call.call_id)
    return {
        "orders": [case_document(case) for case in cases],
        "calls": [call_document(call, language) for call in calls],
        "failed": failures_document(connection),
    }


def failures_document(connection: sa.Connection) -> list[Document]:
    """What failed or was refused, each once: failed and partial calls, then the dead letters of everything else.

    What a newer run of the call has mended is left out.
    """
    failures = dict[tuple[str | None, str, str], Document]()
    for call in sorted(find_calls(connection, with_failure=True), key=lambda call: call.call_id):
        if call.failure is not None:
            about = {"subject": call.key, "call_id": call.call_id}
            failures[call.call_id, call.failure.stage, call.failure.reason] = about | asdict(call.failure)
    told = set(failures)
    letters = find_letters(connection)
    known = calls_by_id(connection, sorted({letter.call_id for letter in letters if letter.call_id is not None}))
    for letter in reversed(letters):
        call_now = known.get(letter.call_id or "")
        mended = call_now is not None and letter.run is not None and letter.run < (call_now.result_run or 0)
        if not mended and (letter.call_id, letter.worker, letter.error) not in told:
            failures[letter.subject, letter.worker, letter.message] = {
                "subject": letter.subject,
                "call_id": letter.call_id,
                "stage": letter.worker,
                "reason": letter.error,
                "message": letter.message,
            }
    return list(failures.values())


def case_document(case: Case) -> Document:
    """An order's case with its newest verdict."""
    order = case.order
    return {
        "order": order.number,
        "case_id": order.case_id,
        "kind": order.kind,
        "category": order.category,
        "client_number": order.client_number,
        "motif": order.motif,
        "ordered_at_ms": order.ordered_at_ms,
        "suspended_at_ms": order.suspended_at_ms,
        "window_start_at_ms": order.window_start_ms,
        "manifest": case.manifest,
        "row": case.row,
        "verdict": case.verdict,
        "comment": case.comment,
        "waiting_for": list(case.waiting_for),
        "unassigned": case.unassigned,
        "rules_hash": case.rules_hash,
        "layouts_hash": case.layouts_hash,
        "models_hash": case.models_hash,
        "inputs_hash": case.inputs_hash,
        "judged_at_ms": case.judged_at_ms,
        # As asdict, but many times quicker: `ringtrue judge` makes a million of these documents.
        "findings": list(FINDINGS.dump_python(case.findings)),
        "warnings": list(FINDINGS.dump_python(case.warnings)),
        "attempts": list(ATTEMPTS.dump_python(case.attempts)),
    }


def call_document(call: Call, language: Language) -> Document:
    """A call and its newest final result; of what was heard, all of it."""
    outcomes = {
        kind: None if code is None else {"outcome": code, "label": label(code, language)}
        for kind, code in (("acquisition", call.acquisition), ("sav", call.sav))
    }
    return asdict(call) | outcomes


def story_document(story: Story, language: Language) -> Document:
    """The story of an order's case."""
    attempts = [
        {
            **asdict(told.attempt),
            "call": None if told.call is None else call_document(told.call, language),
            "excerpt": {"text": told.excerpt, "start_ms": told.start_ms, "end_ms": told.end_ms},
        }
        for told in story.attempts
    ]
    return case_document(story.case) | {
        "attempts": attempts,
        "history": [asdict(past) for past in story.history],
    }


def letter_document(letter: Letter, codec: Codec | None = None) -> Document:
    """A dead letter; with a codec the refused record itself too, as bytes and (when it is one) as a message."""
    values = asdict(letter)
    key, value, part = values.pop("key"), values.pop("value"), values.pop("part")
    if codec is not None:
        values["key"] = None if key is None else key.decode("utf-8", "backslashreplace")
        values["value_base64"] = None if value is None else b64encode(value).decode()
        values["part"] = None if part is None else part.decode("utf-8", "backslashreplace")
        values["message_refused"] = decoded(value, codec)
    return values


def decoded(value: bytes | None, codec: Codec) -> Document | None:
    """The message that a refused record's bytes hold; None when they are none."""
    try:
        message = codec.decode(value)
    except (BadRecord, Away):
        return None
    return {type(message).__name__: _without_bytes(asdict(message))}


def _without_bytes(value: Any) -> Any:
    """Audio and fingerprints by their size: JSON has no bytes, and nobody reads them."""
    match value:
        case bytes():
            return f"{len(value)} bytes"
        case dict():
            return {name: _without_bytes(part) for name, part in value.items()}
        case list() | tuple():
            return [_without_bytes(part) for part in value]
        case _:
            return value
