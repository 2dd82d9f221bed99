"""The results database: SQLite on one machine, PostgreSQL when `RINGTRUE_DATABASE__URL` names one.

`tables` says what is kept; `engine` opens a database and runs transactions, and names what goes wrong; `writes` are
the guarded writes by which a newer result replaces an older one and never the other way round; `schema` creates and
migrates the tables (Alembic, with the migrations in this package).
"""

from ringtrue.database.engine import DatabaseAway, open_database, reading, writing
from ringtrue.database.schema import SchemaMismatch, check_schema, upgrade
from ringtrue.database.writes import Update, Upsert, Write

__all__ = [
    "DatabaseAway",
    "SchemaMismatch",
    "Update",
    "Upsert",
    "Write",
    "check_schema",
    "open_database",
    "reading",
    "upgrade",
    "writing",
]
