"""Excel workbooks as rows.

A workbook comes from outside and is unpacked by a library that may be made to ask for any amount of memory: two filled
cells at the far ends of a sheet are enough. So the archive's directory is looked at first, and the rest happens in a
child process (`workbook_child`) of bounded memory and time, which leaves the rows in a temporary folder.
"""

import io
import json
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ringtrue.errors import Away
from ringtrue.manifests.sheets import Row, Sheet, UnreadableTable

#: How workbooks begin: a zip archive, or a compound file (an encrypted workbook, or the format before 2007).
_ZIP, _COMPOUND = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
#: What a workbook may come to unpacked. A million orders of a dozen columns take some 600 MB.
MAX_UNPACKED_BYTES = 1_000_000_000
#: How much a part may grow by unpacking, from a size on that could hurt. Sheets grow by 5 to 30, zeros by 1,000.
MAX_RATIO = 200
_RATIO_FROM_BYTES = 10_000_000
_MAX_PARTS = 10_000
#: Of the child: address space, CPU time, and the longest file of rows.
_MEMORY_BYTES = 4_000_000_000
_CPU_SECONDS = 300
_FILE_BYTES = 2_000_000_000
_LOOK_S = 0.5

_PASSWORD = "the workbook is protected by a password; save it without one"  # noqa: S105 - what is said of one
_MACROS = "the workbook holds macros; save it as .xlsx without them"
_NO_WORKBOOK = "the file is not an Excel workbook"


def is_workbook(data: bytes) -> bool:
    """Whether a file begins as workbooks do."""
    return data.startswith((_ZIP, _COMPOUND))


@contextmanager
def workbook_sheets(data: bytes, lives: Callable[[], None]) -> Iterator[list[Sheet]]:
    """The sheets of a workbook, which can be read for as long as the context lasts.

    Args:
        lives: called now and then while the workbook is unpacked.

    Raises:
        UnreadableTable: it is no workbook, or one that is not to be opened.
        Away: the temporary folder cannot be used.
    """
    _refuse_dangers(data)
    with _folder() as folder:
        found = _unpacked(data, folder, lives)
        yield [Sheet(one["name"], one["hidden"], partial(_rows, folder / one["file"])) for one in found]


@contextmanager
def _folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="ringtrue-manifest-")
    except OSError as error:
        raise _no_room(error) from error
    with folder as name:
        yield Path(name)


def _refuse_dangers(data: bytes) -> None:
    """What the directory of the archive says, before anything is unpacked."""
    if data.startswith(_COMPOUND):
        # The names of a compound file's streams are UTF-16.
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise UnreadableTable(_PASSWORD)
        if "_VBA_PROJECT".encode("utf-16-le") in data:
            raise UnreadableTable(_MACROS)
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UnreadableTable(f"{_NO_WORKBOOK}: {error}") from error
    names = [part.filename.casefold() for part in parts]
    if any(part.flag_bits & 1 for part in parts):
        raise UnreadableTable(_PASSWORD)
    if not any(name.startswith("xl/") for name in names):
        raise UnreadableTable(f"{_NO_WORKBOOK}: it is an archive of something else")
    if any("vbaproject" in name or name.startswith("xl/macrosheets/") for name in names):
        raise UnreadableTable(_MACROS)
    if any(name.startswith("xl/externallinks/") for name in names):
        raise UnreadableTable("the workbook takes values from other files; save it with the values alone")
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > _MAX_PARTS or unpacked > MAX_UNPACKED_BYTES:
        message = f"unpacked, the workbook would take {unpacked} bytes in {len(parts)} parts"
        raise UnreadableTable(f"{message}; at most {MAX_UNPACKED_BYTES} in {_MAX_PARTS} are read")
    for part in parts:
        if part.file_size > max(_RATIO_FROM_BYTES, MAX_RATIO * part.compress_size):
            grows = f"{part.filename} would grow from {part.compress_size} to {part.file_size} bytes"
            raise UnreadableTable(f"the workbook is packed beyond what sheets can be: {grows}")


def _unpacked(data: bytes, folder: Path, lives: Callable[[], None]) -> list[dict[str, Any]]:
    try:
        (folder / "book").write_bytes(data)
    except OSError as error:
        raise _no_room(error) from error
    script = Path(__file__).with_name("workbook_child.py")
    limits = [str(limit) for limit in (_MEMORY_BYTES, _CPU_SECONDS, _FILE_BYTES)]
    # -P: the folder of the script holds modules of ours, not the standard library's.
    command = [sys.executable, "-P", str(script), str(folder), *limits]
    with (
        (folder / "answer").open("w+b") as answer,
        subprocess.Popen(  # noqa: S603 - our own script
            command, stdin=subprocess.DEVNULL, stdout=answer, stderr=subprocess.DEVNULL
        ) as child,
    ):
        try:
            while True:
                lives()
                try:
                    code = child.wait(_LOOK_S)
                    break
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            child.kill()
            raise
    if code != 0:
        raise UnreadableTable(_death(code))
    said = json.loads((folder / "answer").read_bytes())
    if "sheets" in said:
        sheets: list[dict[str, Any]] = said["sheets"]
        return sheets
    raise _problem(said["problem"], said.get("said", ""))


def _problem(problem: str, said: str) -> Exception:
    if problem == "folder":
        return _no_room(said)
    known = {"password": _PASSWORD, "memory": _too_much("memory")}
    return UnreadableTable(known.get(problem, f"{_NO_WORKBOOK}: {said}"))


def _no_room(said: object) -> Away:
    return Away(f"the temporary folder {tempfile.gettempdir()} cannot be used for unpacking: {said}")


def _death(code: int) -> str:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return _too_much(f"time (more than {_CPU_SECONDS} s) or memory")
    if code == -signal.SIGABRT:
        return _too_much("memory")
    return f"{_NO_WORKBOOK}: reading it failed with exit code {code}"


def _too_much(what: str) -> str:
    return f"unpacking the workbook takes too much {what}; are there cells filled far outside the table?"


def _rows(file: Path, _headings_line: int) -> Iterator[Row]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            number, *cells = json.loads(line)
            yield Row(number, cells)
