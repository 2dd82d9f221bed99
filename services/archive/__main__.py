"""`ringtrue service archive`."""

from ringtrue.database import open_database
from ringtrue.service import Context, Service
from services.archive.worker import Archiver


def _workers(context: Context) -> list[Archiver]:
    return [Archiver(open_database(context.settings.database_url), context.log)]


SERVICE = Service("archive", "keeps every result in the database", _workers)
