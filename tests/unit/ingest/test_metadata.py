"""A call's metadata: three sources, merged field by field, and what happens to what is broken."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ringtrue.errors import Misconfigured
from services.ingest.metadata import (
    BrokenSidecar,
    CallMetadata,
    file_name_pattern,
    from_key,
    from_user_metadata,
    merge,
    read_sidecar,
)

CASABLANCA = ZoneInfo("Africa/Casablanca")
SIDECAR = {
    "CALL_ID": "C-1",
    "NUMERO_CLIENT": "0612345678",
    "NUMERO_TECHNICIEN": "0522000001",
    "DATE_DEBUT": "2026-11-18 09:30:00",
    "DATE_FIN": "2026-11-18 09:31:05",
    "BRANCHE": "ADSL_INSTALL",
}
STARTED_AT_MS = int(datetime(2026, 11, 18, 8, 30, tzinfo=UTC).timestamp()) * 1000


def sidecar(**changed: object) -> dict[str, str]:
    return read_sidecar(json.dumps({**SIDECAR, **changed}).encode())


def test_a_sidecar_says_everything() -> None:
    merged = merge({"sidecar": sidecar()}, CASABLANCA)
    assert merged.metadata == CallMetadata(
        client_number="212612345678",
        agent_number="212522000001",
        external_id="C-1",
        branch="ADSL_INSTALL",
        started_at_ms=STARTED_AT_MS,
        ended_at_ms=STARTED_AT_MS + 65_000,
    )
    assert merged.warnings == ()


@pytest.mark.parametrize(("written", "channel"), [(1, 0), ("2", 1), (None, None)])
def test_the_technician_s_channel_counts_from_1_in_sidecars(written: object, channel: int | None) -> None:
    merged = merge({"sidecar": sidecar(CANAL_TECHNICIEN=written)}, CASABLANCA)
    assert (merged.metadata.agent_channel, merged.warnings) == (channel, ())


def test_a_channel_that_is_neither_1_nor_2_is_left_out_with_a_warning() -> None:
    merged = merge({"sidecar": sidecar(CANAL_TECHNICIEN="gauche")}, CASABLANCA)
    assert (merged.metadata.agent_channel, merged.metadata.client_number) == (None, "212612345678")
    assert "CANAL_TECHNICIEN 'gauche' is not 1 or 2" in merged.warnings[0]


@pytest.mark.parametrize("written", [612345678, 612345678.0, "6.12345678E+08", "+212 6 12 34 56 78"])
def test_a_client_number_may_be_a_json_number_or_any_written_form(written: object) -> None:
    assert merge({"sidecar": sidecar(NUMERO_CLIENT=written)}, CASABLANCA).metadata.client_number == "212612345678"


def test_field_names_are_read_in_any_case_and_with_a_byte_order_mark() -> None:
    data = b"\xef\xbb\xbf" + json.dumps({"numero_client ": " 0612345678 ", "autre": 1, "CALL_ID": None}).encode()
    assert read_sidecar(data) == {"NUMERO_CLIENT": "0612345678"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"NUMERO_CLIENT=0612345678", "not JSON"),
        (b'{"NUMERO_CLIENT": "06', "not JSON"),
        (b'["0612345678"]', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"NUMERO_CLIENT": "\xe9"}', "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_sidecar_that_is_no_json_object_is_broken(data: bytes, said: str) -> None:
    with pytest.raises(BrokenSidecar, match=said):
        read_sidecar(data)


@pytest.mark.parametrize("written", ["2026-18-11 09:30:00", "hier", "2026-11-18", {"a": 1}])
def test_a_wrong_date_is_a_warning_that_keeps_the_other_fields(written: object) -> None:
    merged = merge({"calls/a.json": sidecar(DATE_DEBUT=written)}, CASABLANCA)
    assert merged.metadata.started_at_ms is None
    assert merged.metadata.client_number == "212612345678"
    assert merged.metadata.ended_at_ms == STARTED_AT_MS + 65_000
    [warning] = merged.warnings
    assert "calls/a.json: DATE_DEBUT" in warning
    assert (written if isinstance(written, str) else '{"a": 1}') in warning


def test_an_unknown_branch_is_unknown_rather_than_another_branch() -> None:
    merged = merge({"sidecar": sidecar(BRANCHE="ADSL_INSTALLATION")}, CASABLANCA)
    assert merged.metadata.branch is None
    assert "ADSL_INSTALLATION" in merged.warnings[0]
    assert merge({"sidecar": sidecar(BRANCHE="adsl_install")}, CASABLANCA).metadata.branch == "ADSL_INSTALL"


def test_a_technician_known_by_an_extension_keeps_it() -> None:
    assert merge({"sidecar": sidecar(NUMERO_TECHNICIEN="poste 14")}, CASABLANCA).metadata.agent_number == "poste 14"


def test_user_metadata_is_read_whatever_a_store_makes_of_its_header_names() -> None:
    headers = {"X-Amz-Meta-Numero_Client": "0612345678", "x-amz-meta-date-debut": "2026-11-18 09:30:00", "etag": "x"}
    assert from_user_metadata(headers) == {"NUMERO_CLIENT": "0612345678", "DATE_DEBUT": "2026-11-18 09:30:00"}


@pytest.mark.parametrize("number", ["0612345678", "612345678", "212612345678", "00212612345678", "+212612345678"])
def test_a_file_name_holds_client_and_start(number: str) -> None:
    fields = from_key(f"calls/2026/11/0699999999_20250101-000000/{number}_20261118-093000.wav", file_name_pattern())
    metadata = merge({"file name": fields}, CASABLANCA).metadata
    assert (metadata.client_number, metadata.started_at_ms) == ("212612345678", STARTED_AT_MS)


@pytest.mark.parametrize(
    "name", ["appel.wav", "0612345678.wav", "12345_20261118-093000.wav", "0612345678_20261118.wav"]
)
def test_a_file_name_of_another_form_says_nothing(name: str) -> None:
    assert from_key(f"calls/{name}", file_name_pattern()) == {}


def test_a_file_name_with_an_impossible_start_warns() -> None:
    fields = from_key("0612345678_20261318-093000.wav", file_name_pattern())
    merged = merge({"file name": fields}, CASABLANCA)
    assert merged.metadata == CallMetadata(client_number="212612345678")
    assert "DATE_DEBUT" in merged.warnings[0]


def test_another_file_name_pattern_names_other_fields() -> None:
    pattern = file_name_pattern(r"^(?P<branch>[A-Z_]+?)-(?P<id>\w+)-(?P<agent>\d+)-(?P<client>\d+)-(?P<start>[\dT]+)\.")
    assert from_key("x/ADSL_SAV-c7-0522000001-00212612345678-20261118T093000.ogg", pattern) == {
        "BRANCHE": "ADSL_SAV",
        "CALL_ID": "c7",
        "NUMERO_TECHNICIEN": "0522000001",
        "NUMERO_CLIENT": "00212612345678",
        "DATE_DEBUT": "2026-11-18 09:30:00",
    }


@pytest.mark.parametrize(
    ("expression", "said"),
    [(r"(?P<client>\d+", "is not a regular expression"), (r"(?P<phone>\d+)", "names phone; allowed: client")],
)
def test_a_file_name_pattern_is_checked(expression: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        file_name_pattern(expression)


def test_each_field_comes_from_the_first_source_that_has_a_usable_value() -> None:
    merged = merge(
        {
            "sidecar": {"NUMERO_CLIENT": "inconnu", "BRANCHE": "ADSL_SAV"},
            "object metadata": {"NUMERO_CLIENT": "0612345678", "BRANCHE": "ADSL_INSTALL"},
            "file name": {"NUMERO_CLIENT": "0698765432", "DATE_DEBUT": "2026-11-18 09:30:00"},
        },
        CASABLANCA,
    )
    assert merged.metadata == CallMetadata(client_number="212612345678", branch="ADSL_SAV", started_at_ms=STARTED_AT_MS)
    assert merged.warnings == ("sidecar: NUMERO_CLIENT 'inconnu' is not a phone number; it is left out",)


def test_nothing_known_is_an_unassigned_call() -> None:
    assert merge({}, CASABLANCA).metadata == CallMetadata()
