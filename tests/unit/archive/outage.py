"""Databases that go away and come back: an SQLite file that another process locks, a server behind a gate."""

import socket
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa


class Outage(Protocol):
    """A database at `url` that can be away."""

    url: str

    def begin(self) -> None:
        """Now it is away."""

    def end(self) -> None:
        """Now it is back."""


class LockedFile:
    """An SQLite file that somebody else holds."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.url = f"sqlite:///{file}"
        self._file = file
        self._holder: sqlite3.Connection | None = None

    def begin(self) -> None:
        """See `Outage`."""
        self._holder = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        self._holder.execute("PRAGMA busy_timeout = 5000")
        self._holder.execute("BEGIN EXCLUSIVE")

    def end(self) -> None:
        """See `Outage`."""
        if self._holder is not None:
            self._holder.close()
            self._holder = None


class Gate:
    """A port that leads to a server, and can be shut: connections break off, new ones are refused."""

    def __init__(self, url: str) -> None:
        target = sa.make_url(url)
        self._target = (target.host or "127.0.0.1", target.port or 5432)
        self._port = 0
        self._listening: socket.socket | None = None
        self._open = set[socket.socket]()
        self.end()
        self.url = target.set(host="127.0.0.1", port=self._port).render_as_string(hide_password=False)

    def begin(self) -> None:
        """See `Outage`."""
        if self._listening is not None:
            with closing(self._listening):
                self._listening.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
            self._listening = None
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """See `Outage`."""
        self._listening = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._open |= {client, server}
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(one, other), daemon=True).start()

    def _forward(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError), one:
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        self._open.discard(one)
