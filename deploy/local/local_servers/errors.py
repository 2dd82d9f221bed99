"""What can go wrong, each with the exit code that tells a script what to do about it."""

from typing import ClassVar


class ServersError(Exception):
    """Base of every error raised on purpose."""

    code: ClassVar[int] = 1


class NotUp(ServersError):
    """A server did not start, did not answer or did not stop."""


class WrongUse(ServersError):
    """A command was called wrongly."""

    code = 2


class Missing(ServersError):
    """Something that the servers need is not on this machine and could not be had."""

    code = 3
