"""Reports by e-mail, tried on a real SMTP server on loopback."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from ringtrue.database import open_database, upgrade
from ringtrue.errors import Away, Misconfigured, WrongUse
from ringtrue.settings import MailSettings
from services.archive.mail import Letter, letters, send
from tests.unit.archive.mail_server import PASSWORD, USER, Office, Served, text_of
from tests.unit.storage.certificates import loopback_certificate


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def settings(office: Office, tmp_path: Path) -> Iterator[MailSettings]:
    """Settings for a server that wants STARTTLS and a password."""
    (tmp_path / "tls").mkdir()
    certificate, context = loopback_certificate(tmp_path / "tls")
    with Served(office, context) as port:
        yield MailSettings(
            host="127.0.0.1",
            port=port,
            username=USER,
            password=SecretStr(PASSWORD),
            sender="ringtrue@operator.example",
            recipients="compliance@operator.example, partner@iam.example",
            ca_file=certificate,
            timeout_s=10,
        )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'results.sqlite'}")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "SAV_VULA_2026-11-18.csv", size: int = 200) -> Path:
        path = tmp_path / name
        path.write_bytes(b"N\xc2\xb0 de contact;212600000001\r\n.\r\n..\r\n" + b"x" * size)
        return path

    return make


def never(_: float) -> None:
    raise AssertionError("it should not wait")


def test_a_report_arrives_whole_with_its_name_over_tls_at_every_recipient(
    settings: MailSettings, office: Office, database: sa.Engine, report: Callable[..., Path]
) -> None:
    files = [report(), report("SAV_VULA_2026-11-18.xlsx")]
    [outcome] = send(database, settings, letters("Conformité du 2026-11-18", "4 commandes", files, 20), sleep=never)
    assert outcome.sent
    [message] = office.taken
    assert message["Subject"] == "Conformité du 2026-11-18"
    assert message["From"] == "ringtrue@operator.example"
    assert text_of(message).strip() == "4 commandes"
    assert {part.get_filename(): part.get_content() for part in message.iter_attachments()}.keys() == {
        path.name for path in files
    }
    for part in message.iter_attachments():
        assert part.get_payload(decode=True) == files[0].read_bytes()
    assert office.envelopes == [["compliance@operator.example", "partner@iam.example"]]


def test_the_same_report_is_never_sent_twice_but_a_changed_one_is(
    settings: MailSettings, office: Office, database: sa.Engine, report: Callable[..., Path]
) -> None:
    first = letters("today", "text", [report()], 20)
    assert [outcome.sent for outcome in send(database, settings, first)] == [True]
    assert [outcome.sent for outcome in send(database, settings, first)] == [False]
    assert [outcome.sent for outcome in send(database, settings, letters("today", "text", [report(size=300)], 20))] == [
        True
    ]
    assert [outcome.sent for outcome in send(database, settings, first, again=True)] == [False]
    assert len(office.taken) == 2


def test_reports_beyond_the_limit_go_in_several_messages(
    settings: MailSettings, office: Office, database: sa.Engine, report: Callable[..., Path]
) -> None:
    files = [report(f"report-{number}.csv", 400_000) for number in range(5)]
    made = letters("today", "text", files, 1.3)
    assert [letter.subject for letter in made] == ["today (1/3)", "today (2/3)", "today (3/3)"]
    assert [path for letter in made for path in letter.files] == files
    send(database, settings, made)
    assert [len(message.as_bytes()) < 1_300_000 for message in office.taken] == [True] * 3


def test_a_report_that_no_message_can_hold_is_named_with_the_setting(report: Callable[..., Path]) -> None:
    with pytest.raises(WrongUse, match=r"large\.csv makes an attachment of 2\.7 MB; RINGTRUE_MAIL__MAX_MB allows 2"):
        letters("today", "text", [report("large.csv", 2_000_000)], 2.0)


def test_a_server_that_is_busy_is_asked_again(
    settings: MailSettings, office: Office, database: sa.Engine, report: Callable[..., Path]
) -> None:
    office.answers = ["451 busy, later", "452 no room, later"]
    waits = list[float]()
    send(database, settings, letters("today", "text", [report()], 20), sleep=waits.append)
    assert (len(office.taken), waits) == (1, [1.0, 2.0])


def test_a_server_that_stays_busy_is_away_and_the_report_may_be_sent_later(
    settings: MailSettings, office: Office, database: sa.Engine, report: Callable[..., Path]
) -> None:
    made = letters("today", "text", [report()], 20)
    office.answers = ["451 busy"] * 3
    with pytest.raises(Away, match=r"cannot be reached.*busy"):
        send(database, settings, made, sleep=lambda _: None)
    assert [outcome.sent for outcome in send(database, settings, made)] == [True]


def test_a_connection_that_breaks_when_the_message_was_handed_over_is_not_tried_again_unasked(
    settings: MailSettings, office: Office, database: sa.Engine, report: Callable[..., Path]
) -> None:
    made = letters("today", "text", [report()], 20)
    office.breaks_off = True
    with pytest.raises(Away, match=r"nobody knows whether it was sent"):
        send(database, settings, made, sleep=never)
    office.breaks_off = False
    with pytest.raises(Away, match=r"nobody knows whether it was sent.*--email-again"):
        send(database, settings, made)
    assert len(office.taken) == 1
    assert [outcome.sent for outcome in send(database, settings, made, again=True)] == [True]


def test_one_message_of_several_that_may_have_gone_keeps_no_other_back_and_no_other_goes_twice(
    settings: MailSettings, office: Office, database: sa.Engine, report: Callable[..., Path]
) -> None:
    made = letters("today", "text", [report(f"report-{number}.csv", 400_000) for number in range(3)], 0.7)
    office.breaks_off_at = 2
    with pytest.raises(Away, match=r"'today \(2/3\)': nobody knows"):
        send(database, settings, made, sleep=never)
    assert [message["Subject"] for message in office.taken] == ["today (1/3)", "today (2/3)", "today (3/3)"]
    again = send(database, settings, made, again=True)
    assert [(outcome.letter.subject, outcome.sent) for outcome in again] == [
        ("today (1/3)", False),
        ("today (2/3)", True),
        ("today (3/3)", False),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"recipients": "rené@opérateur.example"},
        {"recipients": "x y z <"},
        {"sender": "ringtrue@operator.example\n"},
        {"password": SecretStr("sécret")},
        {"ca_file": Path("nowhere.pem")},
    ],
)
def test_a_setting_that_cannot_be_used_is_told_and_once_it_is_mended_the_report_goes(
    wrong: dict[str, Any],
    settings: MailSettings,
    office: Office,
    database: sa.Engine,
    report: Callable[..., Path],
) -> None:
    made = letters("today", "text", [report()], 20)
    with pytest.raises(Misconfigured, match=r"RINGTRUE_MAIL__") as told:
        send(database, settings.model_copy(update=wrong), made, sleep=never)
    assert "sécret" not in str(told.value)
    assert [outcome.sent for outcome in send(database, settings, made)] == [True]


def test_what_the_server_refuses_for_good_is_told_by_the_settings_to_check(
    settings: MailSettings, office: Office, database: sa.Engine, report: Callable[..., Path]
) -> None:
    made = letters("today", "text", [report()], 20)
    wrong = settings.model_copy(update={"password": SecretStr("wrong")})
    with pytest.raises(Misconfigured, match=r"535.*RINGTRUE_MAIL__USERNAME, __PASSWORD") as told:
        send(database, wrong, made, sleep=never)
    assert "wrong" not in str(told.value).replace("wrong or", "")
    office.unknown = "partner@iam.example"
    with pytest.raises(Misconfigured, match=r"550 no such mailbox: partner@iam.example.*__RECIPIENTS"):
        send(database, settings, made, sleep=never)
    office.unknown = ""
    with pytest.raises(Misconfigured, match=r"certificate that is not trusted.*RINGTRUE_MAIL__CA_FILE"):
        send(database, settings.model_copy(update={"ca_file": None}), made, sleep=never)
    assert office.taken == []
    assert [outcome.sent for outcome in send(database, settings, made)] == [True]


def test_a_message_that_the_server_finds_too_large_is_refused_before_it_is_sent(
    settings: MailSettings, office: Office, database: sa.Engine, report: Callable[..., Path]
) -> None:
    with pytest.raises(Misconfigured, match=r"552.*__MAX_MB"):
        send(database, settings, letters("today", "text", [report("large.csv", 3_000_000)], 20), sleep=never)
    assert office.taken == []


def test_a_server_without_encryption_is_used_only_when_the_setting_says_so(
    office: Office, database: sa.Engine, report: Callable[..., Path]
) -> None:
    made = letters("today", "text", [report()], 20)
    with Served(office, None) as port:
        plain = MailSettings(host="127.0.0.1", port=port, sender="a@b.example", recipients="c@d.example")
        with pytest.raises(Misconfigured, match=r"STARTTLS.*RINGTRUE_MAIL__SECURITY"):
            send(database, plain, made, sleep=never)
        send(database, plain.model_copy(update={"security": "none"}), made, sleep=never)
    assert len(office.taken) == 1


def test_nobody_listening_is_away(database: sa.Engine, report: Callable[..., Path]) -> None:
    nobody = MailSettings(host="127.0.0.1", port=1, sender="a@b.example", recipients="c@d.example", security="none")
    with pytest.raises(Away, match=r"the mail server 127\.0\.0\.1:1 cannot be reached"):
        send(database, nobody, letters("today", "text", [report()], 20), sleep=lambda _: None)


@pytest.mark.parametrize("missing", ["host", "sender", "recipients"])
def test_a_setting_that_is_missing_is_named(missing: str, database: sa.Engine, report: Callable[..., Path]) -> None:
    settings = MailSettings(host="mail.example", sender="a@b.example", recipients="c@d.example")
    with pytest.raises(Misconfigured, match=f"RINGTRUE_MAIL__{missing.upper()} is not set"):
        send(database, settings.model_copy(update={missing: ""}), [Letter("today", "text", (report(),))])
