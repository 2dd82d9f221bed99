"""Reports by e-mail: in as many messages as the server's limit asks for, tried again while that is safe, never twice.

Until a server has taken the text of a message, nothing was sent, and another try is safe. When the connection breaks
behind that, nobody can say; then the delivery stays marked as begun (`deliveries.py`), and is not tried again unasked.
"""

from __future__ import annotations

import hashlib
import mimetypes
import smtplib
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path

import sqlalchemy as sa
import structlog

from ringtrue.errors import Away, Misconfigured, WrongUse
from ringtrue.settings import MailSettings
from services.archive import deliveries

_log = structlog.get_logger()

#: What base64 makes of a byte, line ends included (RFC 2045: 76 characters and two for each 57 bytes).
_GROWTH = 78 / 57
#: Of a message, for its headers and text.
_FRAME_BYTES = 16_384
_FIRST_WAIT_S = 1.0
_MUST_BE_PLAIN = "RINGTRUE_MAIL__SENDER, __RECIPIENTS, __USERNAME and __PASSWORD must be plain ASCII"


@dataclass(frozen=True, slots=True)
class Letter:
    """One message: its subject, its text, and the files that it brings."""

    subject: str
    text: str
    files: tuple[Path, ...]

    def digest(self, recipients: Sequence[str]) -> str:
        """The same for the same files to the same people, whatever the time and the order of both."""
        said = hashlib.sha256("\0".join((self.subject, *sorted(recipients))).encode())
        for path in sorted(self.files, key=lambda path: path.name):
            said.update(path.name.encode())
            said.update(hashlib.sha256(path.read_bytes()).digest())
        return said.hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a letter: sent now, or sent before."""

    letter: Letter
    sent: bool


def letters(subject: str, text: str, files: Sequence[Path], max_mb: float) -> list[Letter]:
    """The files in their order, in as few messages of at most `max_mb` megabytes as that allows.

    Raises:
        WrongUse: A file alone is too large.
    """
    room = max_mb * 1_000_000 - _FRAME_BYTES
    groups = [list[Path]()]
    taken = 0.0
    for path in files:
        size = path.stat().st_size * _GROWTH
        if size > room:
            raise WrongUse(
                f"{path.name} makes an attachment of {size / 1e6:.1f} MB; RINGTRUE_MAIL__MAX_MB allows {max_mb:g}: "
                "raise it if the server takes more, or send fewer orders in a report"
            )
        if groups[-1] and taken + size > room:
            groups.append([])
            taken = 0.0
        groups[-1].append(path)
        taken += size
    count = len(groups)
    return [
        Letter(subject if count == 1 else f"{subject} ({number}/{count})", text, tuple(group))
        for number, group in enumerate(groups, start=1)
    ]


def send(
    engine: sa.Engine,
    settings: MailSettings,
    all_letters: Sequence[Letter],
    *,
    again: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Outcome]:
    """Sends what was not sent before.

    Args:
        engine: The database, which remembers what was sent.
        settings: The server, the sender, the recipients.
        all_letters: What to send.
        again: Send also what was begun before, of which nobody knows whether it was sent.
        sleep: Waits for so many seconds.

    Raises:
        Misconfigured: A setting is missing, or the server refuses the user, the sender, a recipient or the message.
        Away: The server cannot be reached; or it broke off, now or before, where nobody can say whether it took a
            message: the others were sent.
    """
    _check(settings)
    outcomes, unknown = list[Outcome](), list[str]()
    for letter in all_letters:
        digest = letter.digest(settings.recipients_list)
        message = _message(settings, letter, digest)
        before = deliveries.claim(engine, digest, letter.subject, settings.recipients_list, again=again)
        if before == deliveries.DONE:
            outcomes.append(Outcome(letter, sent=False))
            continue
        if before == deliveries.BEGUN:
            unknown.append(letter.subject)
            continue
        try:
            _deliver(settings, message, sleep)
        except _NobodyKnows:
            unknown.append(letter.subject)
        except Exception:
            deliveries.release(engine, digest)
            raise
        else:
            deliveries.done(engine, digest)
            outcomes.append(Outcome(letter, sent=True))
    if unknown:
        raise Away(
            f"{_server(settings)} broke off after it was given {', '.join(map(repr, unknown))}: nobody knows whether "
            "it was sent. Ask a recipient; --email-again sends once more what is not known to have arrived"
        )
    return outcomes


class _NobodyKnows(Exception):
    """The connection broke when the server had the message, and before it said whether it takes it."""


def _check(settings: MailSettings) -> None:
    for name in ("host", "sender", "recipients"):
        if not getattr(settings, name):
            raise Misconfigured(f"RINGTRUE_MAIL__{name.upper()} is not set; reports go by e-mail only with it")
    if settings.ca_file is not None and not settings.ca_file.is_file():
        raise Misconfigured(f"RINGTRUE_MAIL__CA_FILE={settings.ca_file}: there is no such file")


def _deliver(settings: MailSettings, message: bytes, sleep: Callable[[float], None]) -> None:
    wait_s = _FIRST_WAIT_S
    for left in range(settings.attempts - 1, -1, -1):
        try:
            _once(settings, message)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            _refused(settings, error)
            if not left:
                raise Away(f"{_server(settings)} cannot be reached: {error}") from error
            _log.warning("mail server", reason=str(error), left=left)
            sleep(wait_s)
            wait_s *= 2
        else:
            return


def _once(settings: MailSettings, message: bytes) -> None:
    context = ssl.create_default_context(cafile=settings.ca_file) if settings.security != "none" else None
    if settings.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            settings.host, settings.port, timeout=settings.timeout_s, context=context
        )
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)
    try:
        if settings.security == "starttls":
            server.starttls(context=context)
        if settings.username:
            server.login(settings.username, settings.password.get_secret_value())
        server.ehlo_or_helo_if_needed()
        _answered(server.mail(settings.sender, [f"SIZE={len(message)}"] if server.has_extn("size") else []))
        for recipient in settings.recipients_list:
            _answered(server.rcpt(recipient))
        _hand_over(server, message)
    finally:
        server.close()


def _hand_over(server: smtplib.SMTP, message: bytes) -> None:
    try:
        answer = server.data(message)
    except smtplib.SMTPResponseException:
        raise  # it does not want the message
    except Exception as error:
        raise _NobodyKnows(str(error)) from error
    _answered(answer)


def _answered(answer: tuple[int, bytes]) -> None:
    code, said = answer
    if code not in (250, 251):
        raise smtplib.SMTPResponseException(code, said)


def _refused(settings: MailSettings, error: Exception) -> None:
    """Raises what another try would not mend."""
    if isinstance(error, ssl.SSLCertVerificationError):
        raise Misconfigured(
            f"{_server(settings)} shows a certificate that is not trusted ({error.verify_message}); "
            "check RINGTRUE_MAIL__HOST and RINGTRUE_MAIL__CA_FILE"
        ) from error
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        raise Misconfigured(f"{_MUST_BE_PLAIN}; it cannot be sent to {_server(settings)}") from error
    if isinstance(error, smtplib.SMTPNotSupportedError):
        raise Misconfigured(f"{_server(settings)}: {error}; check RINGTRUE_MAIL__SECURITY and __USERNAME") from error
    if not isinstance(error, smtplib.SMTPResponseException) or error.smtp_code < 500:
        return
    said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
    raise Misconfigured(
        f"{_server(settings)} refuses ({error.smtp_code} {said}); check RINGTRUE_MAIL__USERNAME, __PASSWORD, __SENDER, "
        "__RECIPIENTS and __MAX_MB"
    ) from error


def _message(settings: MailSettings, letter: Letter, digest: str) -> bytes:
    message = EmailMessage()
    try:
        message["From"], message["To"] = settings.sender, ", ".join(settings.recipients_list)
        message["Message-ID"] = f"<{digest[:32]}@{settings.sender.rpartition('@')[2]}>"
    except (ValueError, IndexError) as error:
        raise Misconfigured(f"RINGTRUE_MAIL__SENDER or __RECIPIENTS is no address: {error}") from error
    message["Subject"], message["Date"] = letter.subject, formatdate()
    message.set_content(letter.text)
    for path in letter.files:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        main, _, sub = kind.partition("/")
        message.add_attachment(path.read_bytes(), maintype=main, subtype=sub, filename=path.name)
    try:
        return message.as_bytes(policy=SMTP)
    except ValueError as error:
        raise Misconfigured(_MUST_BE_PLAIN) from error


def _server(settings: MailSettings) -> str:
    return f"the mail server {settings.host}:{settings.port}"
