"""Questions that are put straight to the driver answer what the ordinary way answers, whatever happens on the way."""

import pytest
from sqlalchemy import bindparam, insert, literal, select, text
from sqlalchemy.types import String

from hil.core.errors import BadArgument
from hil.store.question import STRAIGHT, Question
from hil.store.tables import Project
from hil.store.unit import Store, Unit
from tests.support.asked import asked

NAMED = Question(
    select(literal("project", String), Project.name, Project.enabled, Project.version)
    .where(Project.name.like(bindparam("pattern", type_=String())))
    .order_by(Project.name)
)
FAULTY = Question(select(text("1 / (id - id)")).select_from(Project))


@pytest.fixture
def store(store: Store) -> Store:
    store.change(lambda unit: unit.session.execute(insert(Project), [{"name": "b"}, {"name": "a"}]))
    return store


def test_the_straight_way_and_the_ordinary_way_agree(store: Store) -> None:
    straight = store.read(lambda session: NAMED.ask(session, pattern="%"))
    ordinary = store.change(lambda unit: NAMED.ask(unit.session, pattern="%"))
    assert [tuple(row) for row in straight] == [tuple(row) for row in ordinary]
    assert [row[:2] for row in map(tuple, straight)] == [("project", "a"), ("project", "b")]


def test_one_question_costs_one_statement(store: Store) -> None:
    with asked(store) as statements:
        store.read(lambda session: NAMED.ask(session, pattern="a"))
    assert len(statements) == 1


def test_a_transaction_sees_what_it_has_changed(store: Store) -> None:
    def work(unit: Unit) -> list[str]:
        unit.session.add(Project(name="new"))
        unit.session.flush()
        return [row[1] for row in NAMED.ask(unit.session, pattern="new")]

    assert store.change(work) == ["new"]


def test_a_word_that_a_client_sends_is_a_value_and_nothing_else(store: Store) -> None:
    for word in ("'; DROP TABLE project; --", "%(x)s", "%", ":x", "\\"):
        found = store.read(lambda session, word=word: NAMED.ask(session, pattern=word.replace("%", "\\%")))
        assert not found


def test_connections_that_are_dead_are_replaced(postgres_store: Store) -> None:
    store = postgres_store
    store.change(lambda unit: unit.session.execute(insert(Project), [{"name": "a"}]))

    def question() -> list[str]:
        return store.read(lambda session: [row[1] for row in NAMED.ask(session, pattern="%")])

    assert question() == ["a"]
    kill = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'hil reading'"
    assert len(store.change(lambda unit: unit.session.execute(text(kill)).all())) == 1
    assert question() == ["a"]
    assert store.reading.pool.checkedout() == 0


def test_errors_are_those_of_the_ordinary_way(postgres_store: Store) -> None:
    store = postgres_store
    store.change(lambda unit: unit.session.execute(insert(Project), [{"name": "a"}]))
    with pytest.raises(BadArgument):
        store.read(FAULTY.ask)
    assert store.reading.pool.checkedout() == 0


def test_only_sessions_that_read_on_postgresql_are_asked_straight(store: Store) -> None:
    assert (store.read(lambda session: session.info.get(STRAIGHT)) is store.reading) is store.postgres
    assert store.change(lambda unit: unit.session.info.get(STRAIGHT)) is None
