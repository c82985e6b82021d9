"""How a backend is found, and where one may be served."""

import socket
from importlib.metadata import EntryPoint

import pytest

from hil.auth import backend as registry
from hil.auth.backend import Backend, check_listen, is_loopback, open_backend
from hil.auth.credentials import Credentials
from hil.auth.database import DatabaseBackend
from hil.auth.null import NullBackend
from hil.core.errors import BadArgument
from hil.store.unit import Store
from tests.support.databases import OpenStore


@pytest.fixture
def store(sqlite_url: str, open_store: OpenStore) -> Store:
    return open_store(sqlite_url)


def installed(monkeypatch: pytest.MonkeyPatch, *entries: tuple[str, str]) -> None:
    found = [EntryPoint(name, value, registry.GROUP) for name, value in entries]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)


def test_our_own_backends_are_installed(store: Store) -> None:
    found: list[Backend] = [open_backend(name, {}, store) for name in ("database", "null")]
    assert [type(backend) for backend in found] == [DatabaseBackend, NullBackend]
    assert [(backend.loopback_only, backend.has_users) for backend in found] == [(False, True), (True, False)]


def test_an_unknown_backend_is_refused_and_the_known_are_named(store: Store) -> None:
    with pytest.raises(BadArgument, match=r"'ldap'.*database, null"):
        open_backend("ldap", {}, store)


def test_a_backend_that_cannot_be_imported_says_why(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, ("gone", "hil.auth.gone:BACKEND"), ("odd", "hil.auth.null:NOTHING"))
    for name in ("gone", "odd"):
        with pytest.raises(BadArgument, match="cannot be loaded"):
            open_backend(name, {}, store)


def test_two_packages_with_one_name_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, ("null", "hil.auth.null:BACKEND"), ("null", "another.package:BACKEND"))
    with pytest.raises(BadArgument, match="Several packages"):
        open_backend("null", {}, store)


def test_a_third_party_gets_its_configuration_and_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, ("mine", f"{__name__}:echo"))
    assert open_backend("mine", {"url": "x"}, store) == ({"url": "x"}, store)


def echo(*given: object) -> tuple[object, ...]:
    return given


def test_with_null_everybody_is_an_operator(store: Store) -> None:
    actor = open_backend("null", {}, store).authenticate(Credentials())
    assert (actor.name, actor.operator, actor.anonymous, actor.via) == ("null", True, False, "null")


def test_null_has_no_settings(store: Store) -> None:
    with pytest.raises(BadArgument, match="'user'"):
        open_backend("null", {"user": "me"}, store)


@pytest.mark.parametrize(
    "config",
    [{"cache": 1}, {"cache_size": 0}, {"cache_size": "10"}, {"hash_slots": True}, {"user_pause": 1.5}],
)
def test_wrong_settings_of_the_database_backend_are_named(store: Store, config: dict[str, object]) -> None:
    with pytest.raises(BadArgument, match=next(iter(config))):
        open_backend("database", config, store)


LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "::ffff:127.0.0.1", "localhost", "LOCALHOST"]
REACHABLE = ["0.0.0.0", "::", "", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "hil.example", "localhost.example"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_null_may_be_served_on(store: Store, host: str) -> None:
    check_listen(NullBackend({}, store), host)


@pytest.mark.parametrize("host", REACHABLE)
def test_null_may_not_be_served_on(store: Store, host: str) -> None:
    with pytest.raises(BadArgument, match=r"127\.0\.0\.1"):
        check_listen(NullBackend({}, store), host)


@pytest.mark.parametrize("host", LOOPBACK + REACHABLE)
def test_the_database_backend_may_be_served_anywhere(store: Store, host: str) -> None:
    backend = DatabaseBackend({}, store)
    check_listen(backend, host)
    backend.close()


def test_a_loopback_name_that_leads_elsewhere_is_no_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", ("127.0.0.1", 0)), (0, 0, 0, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert not is_loopback("localhost")


def test_a_loopback_name_that_leads_nowhere_is_no_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: object) -> list[tuple[object, ...]]:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert not is_loopback("localhost")
