"""What can go wrong, sorted once by what is to be done about it.

    RingtrueError
    ├── BadRecord        the record is at fault: it goes to the dead letters, the rest goes on
    ├── Away             something we need is away: the same work again, with back-off
    └── Misconfigured    a setting or a file is at fault: stop, and say which
        └── WrongUse     a command was called wrongly

A record is refused for what it *is*, never because storage, the database or the log was away.
"""


class RingtrueError(Exception):
    """Base of every error that Ringtrue raises on purpose."""


class BadRecord(RingtrueError):
    """The input itself is at fault.

    Args:
        reason: A short stable code, such as `undecodable`.
        message: What is wrong with which file or row, and what to do.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Away(RingtrueError):
    """Storage, a database, the log or a model endpoint cannot be reached now."""


class Misconfigured(RingtrueError):
    """A setting or a file of ours is wrong; trying again does not help."""


class WrongUse(Misconfigured):
    """A command was given something it cannot use."""
