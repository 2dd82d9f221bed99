"""The orders of manifest files, for `ringtrue judge`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from ringtrue.files import read_file
from ringtrue.manifests.layouts import Layouts
from ringtrue.manifests.manifest import UnreadableManifest, read_manifest
from services.compliance.facts_only import Declared


def read_orders(
    paths: Iterable[Path], layouts: Layouts, zone: ZoneInfo, day: date | None, complain: Callable[[str], None]
) -> list[Declared]:
    """The orders that count, in their manifests' order. A case that two manifests hold is what the later one says.

    Args:
        paths: The manifests.
        layouts: The operator's.
        zone: The operator's.
        day: The processed day; each manifest's own without one.
        complain: Is told of each manifest and each row that cannot be used.

    Raises:
        WrongUse: There is no such file.
    """
    cases = dict[str, Declared]()
    for path in paths:
        name = str(path)
        try:
            manifest = read_manifest(read_file(path), path.name, layouts, zone, day)
        except UnreadableManifest as error:
            complain(str(error).replace(error.file, name, 1))
            continue
        for bad in manifest.rejected:
            complain(f"{path}, row {bad.row}: {bad.column} {bad.value!r}: {bad.reason}")
        for one in manifest.orders:
            cases.pop(one.order.case_id, None)
            cases[one.order.case_id] = Declared(one.order, name, one.row)
    return list(cases.values())
