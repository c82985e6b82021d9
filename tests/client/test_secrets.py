"""No credential where it could be seen: repr, errors, logs."""

import logging
from pathlib import Path

import httpx
import pytest

from hil.client import Client, HilClientError, Settings
from hil.client.profile import Profile
from tests.client.script import ENDPOINT, Played, problem, said

SECRETS = ("p4ssw0rd", "hil_t0k3n", "hil_fr3sh")
KEY = {"id": "3f9a2c", "user": "ann", "token": "hil_fr3sh"}


def hidden(text: str) -> bool:
    return not any(secret in text for secret in SECRETS)


def test_no_repr_shows_a_secret() -> None:
    settings = Settings(username="ann", password="p4ssw0rd")
    seen = [settings, Settings(token="hil_t0k3n"), Profile(password="p4ssw0rd", token="hil_t0k3n")]
    client = Client(ENDPOINT, username="ann", password="p4ssw0rd")
    token = Client(ENDPOINT, token="hil_t0k3n")
    seen += [client, client._connection, token, token._connection, client._connection._http, token._connection._http]
    seen += [Played(said(KEY, 201)).client.keys.create("ci")]
    assert [text for text in map(repr, seen) if not hidden(text)] == []
    assert repr(client) == "Client('http://hil.test' as ann)"


@pytest.mark.parametrize(
    "step",
    [
        problem(401, "unauthenticated"),
        problem(500, "internal"),
        httpx.ConnectError("refused"),
        httpx.Response(200, text="x"),
    ],
)
def test_no_log_and_no_error_shows_a_secret(step: httpx.Response | Exception, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for settings in ({"username": "ann", "password": "p4ssw0rd"}, {"token": "hil_t0k3n"}):
        played = Played(step, forever=True, **settings)
        with pytest.raises(HilClientError) as caught:
            played.client.users.set_password("ann", "p4ssw0rd", old_password="p4ssw0rd")
        error = caught.value
        assert hidden(f"{error!r} {error} {error.hint} {error.__cause__!r}")
    assert caplog.records
    assert hidden(caplog.text)


def test_credentials_are_sent_as_the_api_reads_them() -> None:
    basic = Played(said({"name": "HIL", "version": "1"}), username="ann", password="é:x")
    basic.client.about()
    assert basic.script.requests[0].headers["authorization"] == "Basic YW5uOsOpOng="
    bearer = Played(said({"name": "HIL", "version": "1"}), username="ann", password="x", token="hil_t0k3n")
    bearer.client.about()
    assert bearer.script.requests[0].headers["authorization"] == "Bearer hil_t0k3n"


def test_a_netrc_file_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine hil.test login ann password p4ssw0rd\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    played = Played(said({"name": "HIL", "version": "1"}))
    played.client.about()
    assert "authorization" not in played.script.requests[0].headers
