"""The child process that unpacks a workbook for `workbook`: in bounded memory and time, it may die of what it reads.

    python -P workbook_child.py FOLDER MEMORY_BYTES CPU_SECONDS FILE_BYTES

`FOLDER/book` becomes one file for each sheet, `FOLDER/0` and so on: a JSON list a row, its line and its cells' texts.
On standard output stands what there is, or what is wrong. It imports nothing of Ringtrue, so that it starts at once.
"""

import errno
import json
import resource
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum


def main(folder: Path, memory_bytes: int, cpu_seconds: int, file_bytes: int) -> dict[str, object]:
    """What to answer."""
    for limit, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]  # may be lower already, and cannot be raised
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (bound, bound))
    try:
        return {"sheets": _unpack(folder)}
    except PasswordError:
        return {"problem": "password"}
    except CalamineError as error:
        return {"problem": "damaged", "said": str(error)}
    except MemoryError:
        return {"problem": "memory"}
    except OSError as error:
        if error.errno == errno.EFBIG:
            return {"problem": "memory"}
        return {"problem": "folder", "said": str(error)}


def _unpack(folder: Path) -> list[dict[str, object]]:
    sheets = list[dict[str, object]]()
    with CalamineWorkbook.from_path(folder / "book") as workbook:
        for number, sheet in enumerate(workbook.sheets_metadata):
            if sheet.typ != SheetTypeEnum.WorkSheet:
                continue
            file = folder / str(number)
            with file.open("w", encoding="utf-8") as out:
                for line, row in enumerate(workbook.get_sheet_by_index(number).iter_rows(), start=1):
                    cells = [_as_text(cell) for cell in row]
                    if any(cells):
                        out.write(json.dumps([line, *cells], ensure_ascii=False) + "\n")
            hidden = sheet.visible != SheetVisibleEnum.Visible
            sheets.append({"name": sheet.name, "hidden": hidden, "file": file.name})
    return sheets


def _as_text(cell: object) -> str:
    """A cell as one would type it: whole numbers without a fraction, times to the second (being fractions of days)."""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return (cell + timedelta(milliseconds=500)).replace(microsecond=0).isoformat(sep=" ")
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), *map(int, sys.argv[2:]))))  # noqa: T201 - its answer
