"""A newer result replaces an older one, whatever the order in which they come."""

from itertools import permutations

import pytest
import sqlalchemy as sa

from ringtrue.database import Update, Upsert, reading, upgrade, writing
from ringtrue.database.tables import metadata

things = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("run", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Text),
)


@pytest.fixture
def made(engine: sa.Engine) -> sa.Engine:
    with writing(engine) as connection:
        things.create(connection)
    return engine


def thing(run: int, revision: int, value: str) -> Upsert:
    values = {"name": "one", "run": run, "revision": revision, "value": value}
    return Upsert(things, values, ("run", "revision"))


def stored(engine: sa.Engine) -> list[tuple[object, ...]]:
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(sa.select(things.c.run, things.c.revision, things.c.value))]


def test_the_greatest_version_stays_in_every_order(made: sa.Engine) -> None:
    versions = [thing(1, 1, "a"), thing(1, 2, "b"), thing(2, 0, "c"), thing(2, 0, "a duplicate, said otherwise")]
    for order in permutations(versions[:3]):
        with writing(made) as connection:
            connection.execute(sa.delete(things))
            for write in order:
                write.run(connection)
            assert not versions[3].run(connection)
        assert stored(made) == [(2, 0, "c")]


def test_a_write_says_whether_it_changed_anything(made: sa.Engine) -> None:
    with writing(made) as connection:
        assert thing(1, 1, "a").run(connection)
        assert not thing(1, 1, "b").run(connection)
        assert not thing(0, 9, "c").run(connection)
        assert thing(1, 2, "d").run(connection)


def test_without_a_version_the_first_row_stands(made: sa.Engine) -> None:
    with writing(made) as connection:
        assert Upsert(things, {"name": "one", "run": 1, "revision": 1, "value": "a"}).run(connection)
        assert not Upsert(things, {"name": "one", "run": 2, "revision": 2, "value": "b"}).run(connection)
    assert stored(made) == [(1, 1, "a")]


def test_a_replaced_row_keeps_nothing_of_the_older_one(made: sa.Engine) -> None:
    with writing(made) as connection:
        thing(1, 1, "a").run(connection)
        Upsert(things, {"name": "one", "run": 2, "revision": 1, "value": None}, ("run", "revision")).run(connection)
    assert stored(made) == [(2, 1, None)]


def test_an_update_changes_only_its_columns_and_only_an_older_row(made: sa.Engine) -> None:
    def renamed(run: int, value: str) -> Update:
        return Update(things, {"name": "one"}, {"run": run, "value": value}, ("run",))

    with writing(made) as connection:
        assert not renamed(5, "nobody to update").run(connection)
        thing(1, 7, "a").run(connection)
        assert renamed(2, "b").run(connection)
        assert not renamed(2, "c").run(connection)
        assert not renamed(1, "d").run(connection)
    assert stored(made) == [(2, 7, "b")]


def test_text_and_json_keep_every_character_but_nul(engine: sa.Engine) -> None:
    upgrade(engine)
    transcripts = metadata.tables["transcripts"]
    words = [{"text": 'العلبة "\\u0000" \0 é'}]
    numbers = {"run": 1, "parts_total": 1, "parts_failed": 0, "transcribed_at_ms": 1 << 52}
    texts = {"call_id": "b/c", "status": "complete", "text": "a\0b", "model": "", "model_revision": ""}
    with writing(engine) as connection:
        Upsert(transcripts, texts | numbers | {"words": words, "failure": None}, ("run",)).run(connection)
    with reading(engine) as connection:
        row = connection.execute(sa.select(transcripts)).one()
        nulls = connection.scalar(sa.select(sa.func.count()).where(transcripts.c.failure.is_(None)))
    assert row.text == "a\ufffdb"
    assert row.words == [{"text": 'العلبة "\\u0000" \ufffd é'}]
    assert (row.transcribed_at_ms, row.failure, nulls) == (1 << 52, None, 1)
