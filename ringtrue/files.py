"""Files that a person names on the command line."""

import os
from pathlib import Path

from ringtrue.errors import WrongUse


def read_file(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        WrongUse: There is no such file.
    """
    if not path.is_file():
        raise WrongUse(f"there is no file {path}")
    return path.read_bytes()


def shown(path: Path) -> str:
    """A path as text; bytes that are no UTF-8 as `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
