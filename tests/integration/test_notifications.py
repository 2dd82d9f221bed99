"""MinIO's notifications as they come: some never do, and their keys are encoded."""

import io
import json
import unicodedata
from collections.abc import Iterator

import pytest
import soundfile

from examples.synth import ringback
from ringtrue.streaming.topics import CALLS_REGISTERED, RECORDINGS_SEEN
from tests.e2e.folder import HEADINGS, RATE_HZ
from tests.integration.deployment import Deployment
from tests.integration.relay import Relay

pytestmark = [pytest.mark.servers, pytest.mark.slow]

DAY = "2026-11-18"
CLIENTS = [f"06000000{number:02d}" for number in range(16)]
HOURS = ("09", "12", "15")
#: Five of the 97 notifications never come: of four recordings, and of the sidecar of one of them.
LOST = {*(f"{client}-15.wav" for client in CLIENTS[1::4]), f"{CLIENTS[1]}-15.json"}
RECOVERED = "ringtrue_recordings_recovered_total"


def test_what_lost_notifications_hid_is_recovered_and_no_verdict_rests_on_its_absence(
    deployment: Deployment, relay: Relay
) -> None:
    relay.copies = lambda key: 0 if key.removeprefix(deployment.prefix) in LOST else 1
    deployment.start("asr", "assembler", "classifier", "compliance", "archive")
    ingest = deployment.start("ingest")
    for client in CLIENTS:
        for hour in HOURS:
            put_call(deployment, client, hour)
    rows = [
        f"CMD-{client};W{client};{DAY} 08:00:00;{DAY} 18:00:00;{client};client injoignable;suspendue;;Rabat"
        for client in CLIENTS
    ]
    deployment.put(f"crc_adsl_{DAY}.csv", "\n".join([HEADINGS, *rows]).encode())

    deployment.until(lambda: len(set(relay.seen)) == 97, "MinIO has announced everything")
    deployment.until(lambda: deployment.rows("SELECT count(*) FROM calls") == [(44,)], "the notified are archived")
    deployment.settles()
    assert deployment.rows("SELECT verdict, count(*) FROM orders GROUP BY verdict") == [("pending", 16)]
    assert ingest.stop() == 0

    listing = deployment.with_settings(ingest={"reconcile_every_s": 1.0, "reconcile_skip_s": 0.0})
    ingest = deployment.start("ingest", settings=listing)
    judged = "SELECT count(*) FROM orders WHERE verdict = 'compliant'"
    deployment.until(lambda: deployment.rows(judged) == [(16,)], "every order is judged")
    assert ingest.metric(RECOVERED, kind="audio") == 4
    history = deployment.rows("SELECT verdict, attempts FROM verdicts")
    assert {verdict for verdict, _ in history} == {"pending", "compliant"}
    assert all(len(attempts) == 3 for verdict, attempts in history if verdict == "compliant")

    relay.copies = lambda key: 0
    put_call(deployment, "0600000099", "09")
    deployment.until(lambda: ingest.metric(RECOVERED, kind="audio") == 5, "a later listing finds what is lost later")


def put_call(deployment: Deployment, client: str, hour: str) -> None:
    """Five rings, and nobody answers."""
    fields = {"NUMERO_CLIENT": client, "DATE_DEBUT": f"{DAY} {hour}:00:00", "BRANCHE": "ADSL_INSTALL"}
    deployment.put(f"{client}-{hour}.json", json.dumps(fields | {"NUMERO_TECHNICIEN": "0700000001"}).encode())
    deployment.put(f"{client}-{hour}.wav", RINGS)


def _rings() -> bytes:
    data = io.BytesIO()
    soundfile.write(data, ringback(5, rate_hz=RATE_HZ), RATE_HZ, subtype="ALAW", format="WAV")
    return data.getvalue()


RINGS = _rings()

#: What names of recordings hold and what decoders stumble over.
ODD = [
    *" +%&=;,:?#@!$'\"()[]{}<>|\\^`~*-_",
    *("%20", "%2F", "%2f", "%", "%%", "%zz", "%C3%A9", "+ +", "  ", "a=b&c=d;e", "&amp;", "<Key>", "x..", "x.", "null"),
    *(unicodedata.normalize(form, "Fès à 8h, reporté") for form in ("NFC", "NFD")),
    *("مكالمة", "电话", "звонок", "\N{TELEPHONE RECEIVER}", "\N{MAN}\u200d\N{ROCKET}", "\u202eabc", "\u00a0", "\ufeff"),
    *("é" * 90, "x" * 200, "\N{GRINNING FACE}" * 30),
]


def odd_names() -> Iterator[str]:
    """Keys, each of another call."""
    yield "d/" * 40 + "deep.wav"
    for number, odd in enumerate(ODD):
        yield f"{number}/{odd}.wav"
        yield f"{number}/{odd}x{odd[:20]}.ogg"
        yield f"{number}/a {odd[:20]}/+{odd[-20:]}.mp3"
        yield f"{number}/b{odd[:20]}/%{odd[-20:]}%.WAV"


def test_odd_names_come_through_as_they_are(deployment: Deployment, relay: Relay) -> None:
    names = list(odd_names())
    assert len(set(names)) >= 200
    deployment.start("ingest")
    for name in names:
        deployment.put(name, name.encode())
    keys = sorted(deployment.prefix + name for name in names)
    deployment.until(lambda: len(set(relay.seen)) == len(names), "MinIO has announced everything")
    assert sorted(set(relay.seen)) == keys
    ingest = ("ingest-intake", "ingest-register")
    deployment.settles(ingest)
    assert sorted({one.key for one in deployment.messages(RECORDINGS_SEEN)}) == keys
    registered = deployment.messages(CALLS_REGISTERED)
    assert sorted(one.key for one in registered) == keys
    assert {one.call_id for one in registered} == {f"{deployment.bucket}/{key.rpartition('.')[0]}" for key in keys}

    deployment.ringtrue("reconcile")  # a listing reads the same names
    deployment.settles(ingest)
    again = [one for one in deployment.messages(CALLS_REGISTERED) if hasattr(one, "key")]
    assert sorted(one.key for one in again) == keys
