"""Where reports go besides the folder: to people by e-mail, and into the bucket beside the manifests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ringtrue.database import open_database
from ringtrue.errors import WrongUse
from ringtrue.outcomes import Language
from ringtrue.settings import Settings
from ringtrue.storage import open_store
from services.archive.files import Written
from services.archive.mail import Outcome, letters, send

#: The folder beside a manifest. What lies under a dotted name is nobody's recording or manifest to a lister.
BESIDE = ".reports"
_SUBJECT: dict[Language, str] = {"fr": "Rapports de conformité : {names}", "en": "Compliance reports: {names}"}
_ROWS: dict[Language, str] = {"fr": "{name} : {rows} lignes", "en": "{name}: {rows} rows"}
#: Reports that a subject names; more are counted.
_NAMED = 3


def mail(settings: Settings, titles: Sequence[str], written: Sequence[Written], *, again: bool) -> list[Outcome]:
    """Sends the files of reports to the recipients of the settings; those that went out before do not go again.

    Args:
        settings: The mail server, the database, the language.
        titles: Of the reports, for the subject.
        written: Their files.
        again: Send also what was begun, of which nobody knows whether it went out.
    """
    more = f" (+{len(titles) - _NAMED})" if len(titles) > _NAMED else ""
    subject = _SUBJECT[settings.language].format(names=", ".join(titles[:_NAMED]) + more)
    text = "\n".join(_ROWS[settings.language].format(name=file.path.name, rows=file.rows) for file in written)
    made = letters(subject, f"{text}\n", [file.path for file in written], settings.mail.max_mb)
    engine = open_database(settings.database_url)
    try:
        return send(engine, settings.mail, made, again=again)
    finally:
        engine.dispose()


def put_beside(settings: Settings, manifests: Sequence[str], files: Sequence[Path]) -> list[str]:
    """Puts files into `.reports` beside each of these manifests in the bucket; the objects' names, bucket first.

    Raises:
        WrongUse: The source is a folder.
    """
    if not settings.source.startswith("s3://"):
        raise WrongUse("--beside-manifest is for a bucket (RINGTRUE_SOURCE=s3://bucket/prefix); --out names a folder")
    source = open_store(settings.source, settings.s3)
    put = list[str]()
    for folder in dict.fromkeys(key.rpartition("/")[0] for key in manifests):
        bucket, _, above = folder.partition("/")
        for file in files:
            key = "/".join(part for part in (above, BESIDE, file.name) if part)
            source.store.put(bucket, key, file.read_bytes())
            put.append(f"{bucket}/{key}")
    return put
