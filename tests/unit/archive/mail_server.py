"""A real SMTP server on loopback that keeps what it takes, and refuses or breaks off where a test asks for it."""

import email
import ssl
from asyncio import WriteTransport
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.integration.process import free_port

USER, PASSWORD = "reports", "secret-of-reports"


class Office:
    """The server: keeps what it takes, and does to some messages what a test asks for."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.envelopes: list[list[str]] = []
        self.answers: list[str] = []  # to the next messages, before it takes any
        self.breaks_off = False
        self.breaks_off_at = 0  # when it takes this message
        self.unknown = ""

    async def handle_RCPT(  # noqa: N802 - as the library calls it
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        if address == self.unknown:
            return f"550 no such mailbox: {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.envelopes.append(list(envelope.rcpt_tos))
        if self.breaks_off or len(self.taken) == self.breaks_off_at:
            assert isinstance(server.transport, WriteTransport)
            server.transport.abort()
        return "250 taken"


class Served:
    """The server, while the block runs; its port."""

    def __init__(self, office: Office, context: ssl.SSLContext | None, **options: Any) -> None:
        options |= {"tls_context": context, "require_starttls": True, "authenticator": _knows} if context else {}
        self._controller = Controller(
            office, hostname="127.0.0.1", port=free_port(), data_size_limit=2_000_000, **options
        )

    def __enter__(self) -> int:
        self._controller.start()
        return int(self._controller.port)

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def _knows(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)


def text_of(message: EmailMessage) -> str:
    """What a message says, without its files."""
    body = message.get_body()
    assert body is not None
    return str(body.get_content())
