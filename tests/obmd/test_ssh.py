"""Consoles over SSH: an API key or a capability opens one node's console, and nothing else."""

from __future__ import annotations

import asyncio
import logging
import stat
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from hil.config import Config
from hil.config.model import Obmd, Server
from hil.core.errors import BadArgument
from hil.obmd import ssh
from hil.obmd.recording import RecordLimits
from hil.obmd.ssh import TRIES, host_key
from hil.obmd.ssh_seat import Tilde, clean
from hil.process.http import listen
from hil.process.obmd import obmd_parts, record_limits
from hil.process.obmd_inside import hil_url as own_url
from hil.services.capability import Right
from tests.obmd.serving import token, true
from tests.obmd.ssh_desk import KEY, AtDesk, Desk
from tests.process.serving import Hil as Serving
from tests.process.serving import run


@pytest.mark.parametrize(
    ("pieces", "read"),
    [
        ([b"ls\r"], [b"ls\r"]),
        ([b"~."], [ord(".")]),
        ([b"~", b"."], [ord(".")]),
        ([b"a~."], [b"a~."]),
        ([b"a\r~tb"], [b"a\r", ord("t"), b"b"]),
        ([b"~g~?"], [ord("g"), ord("?")]),
        ([b"~~."], [b"~."]),
        ([b"~/x"], [b"~/x"]),
        ([b"\n~", b"x"], [b"\n", b"~x"]),
        ([b"\xff\x00"], [b"\xff\x00"]),
    ],
)
def test_a_tilde_after_a_new_line_is_ours(pieces: list[bytes], read: list[bytes | int]) -> None:
    tilde = Tilde()
    assert [item for piece in pieces for item in tilde.read(piece)] == read


def test_what_comes_from_elsewhere_cannot_steer_a_terminal() -> None:
    assert clean("a\x1b[2J\r\nü") == "a?[2J??ü"


def test_the_host_key_is_made_once_for_its_owner(tmp_path: Path) -> None:
    (tmp_path / "ssh_host_key.new").write_text("torn by a crash")
    first = host_key(tmp_path)
    assert host_key(tmp_path).get_fingerprint() == first.get_fingerprint()
    assert [path.name for path in tmp_path.iterdir()] == ["ssh_host_key"]
    assert stat.S_IMODE((tmp_path / "ssh_host_key").stat().st_mode) == 0o600
    assert first.get_algorithm() == "ssh-ed25519"


@pytest.mark.net
def test_an_api_key_opens_the_console_and_bytes_travel_as_they_are(at_desk: AtDesk) -> None:
    async def work(here: Desk) -> None:
        machine = here.obmd.servers["n1"].machine
        everything = bytes(range(256)) * 300 + b"the end"
        async with here.console() as ann:
            machine.print(everything)
            await ann.shows(b"the end")
            assert ann.screen == everything
            ann.type(b"root\r\x00\xff")
            await true(lambda: bytes(machine.typed) == b"root\r\x00\xff")
            ann.type(b"\r~.")
            assert (await ann.end())[2] == 0
        assert here.hil.asked == ["POST /v1/nodes/n1/console"]

    at_desk(work)


@pytest.mark.net
def test_a_capability_opens_it_without_hil(at_desk: AtDesk) -> None:
    async def work(here: Desk) -> None:
        async with here.console(token("n1", 1, Right.CONSOLE)) as ann:
            here.obmd.servers["n1"].machine.print("hello")
            await ann.shows(b"hello")
        assert here.hil.asked == []

    at_desk(work)


@pytest.mark.net
def test_who_is_not_let_in_learns_why_only_if_hil_knows_the_key(at_desk: AtDesk) -> None:
    async def work(here: Desk) -> None:
        assert await here.refused("a-wrong-key") == ""
        assert await here.refused(KEY, "n2") == "hil: There is no node n2.\n"
        for wrong in (token("n1", 2), token("n2", 1), token("n1", 1) + "x", "hilcap1.x.y"):
            assert await here.refused(wrong) == ""
        assert "does not give the right" in await here.refused(token("n1", 1, Right.POWER))
        assert not here.obmd.servers["n1"].consoles

    at_desk(work)


@pytest.mark.net
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((409, {"type": "/errors/blocked", "detail": "not \x1b[2Jenabled"}), "hil: not ?[2Jenabled\n"),
        ((403, {"type": "/errors/denied", "detail": "You are a guest."}), "hil: You are a guest.\n"),
        ((500, {"type": "/errors/internal"}), "hil: HIL answered 500.\n"),
        ((200, {"capability": ""}), "hil: HIL answered something that is no capability: ask an operator.\n"),
        ((200, {"capability": "x"}), ""),
        ((302, {}), "hil: HIL answered 302.\n"),
    ],
    ids=str,
)
def test_whatever_hil_says_but_yes_is_no(at_desk: AtDesk, answer: tuple[int, dict[str, Any]], words: str) -> None:
    async def work(here: Desk) -> None:
        assert await here.refused(KEY) == words

    at_desk(work, lambda node, key: answer)


@pytest.mark.net
def test_a_hil_that_is_down_lets_nobody_in(at_desk: AtDesk) -> None:
    async def work(here: Desk) -> None:
        assert await here.refused(KEY) == "hil: HIL cannot be reached.\n"

    with_closed = listen("127.0.0.1:0")
    port = with_closed.getsockname()[1]
    with_closed.close()
    at_desk(work, url=f"http://127.0.0.1:{port}")


@pytest.mark.net
def test_one_node_takes_no_more_than_its_share(at_desk: AtDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "OF_ONE_NODE", 2)

    async def work(here: Desk) -> None:
        await here.obmd.add("n2")
        async with await here.connect(), await here.connect() as second:
            assert await here.refused(KEY) == "hil: 2 connections are open to this node already.\n"
            async with await here.connect(token("n2", 1), "n2"):
                second.close()
                await second.wait_closed()
                await true(lambda: len(here.part.doors) == 2)
                async with await here.connect():
                    assert len(here.part.doors) == 3
        monkeypatch.setattr(ssh, "CONNECTIONS", 0)
        with pytest.raises((asyncssh.ConnectionLost, ConnectionError)):
            await here.connect()

    at_desk(work)


@pytest.mark.net
def test_few_passwords_can_be_tried(at_desk: AtDesk) -> None:
    class Guess(asyncssh.SSHClient):
        tried = 0

        def password_auth_requested(self) -> str:
            self.tried += 1
            return f"guess-{self.tried}"

    async def work(here: Desk) -> None:
        guess = Guess()
        with pytest.raises((asyncssh.PermissionDenied, asyncssh.ConnectionLost)):
            await asyncssh.connect(
                "127.0.0.1", here.port, username="n1", known_hosts=None, config=None, client_keys=None,
                agent_path=None, gss_host=None, client_factory=lambda: guess,
            )  # fmt: skip
        assert len(here.hil.asked) <= TRIES

    at_desk(work)


@pytest.mark.net
def test_writing_is_handed_over(at_desk: AtDesk) -> None:
    async def work(here: Desk) -> None:
        machine = here.obmd.servers["n1"].machine
        async with here.console(token("n1", 1, user="ann")) as ann, here.console(token("n1", 1, user="bob")) as bob:
            ann.type(b"a")
            await ann.told("writing now: you")
            await bob.told("writing now: ann")
            bob.type(b"x\ry")
            await bob.told("ann types on this console")
            bob.type(b"\r~tB")
            await ann.told("writing now: bob")
            await true(lambda: bytes(machine.typed) == b"aB")
            bob.type(b"\r~g")
            await ann.told("writing now: nobody")
            bob.type(b"~?")
            await bob.told("~s types the window's size, ~~ a tilde")

    at_desk(work)


@pytest.mark.net
def test_who_may_only_watch_types_nothing(at_desk: AtDesk) -> None:
    async def work(here: Desk) -> None:
        async with here.console(token("n1", 1, Right.WATCH)) as ann:
            for typed in (b"x", b"\r~t"):
                ann.type(typed)
                await ann.told("You may watch this console, not type on it.")
        assert not here.obmd.servers["n1"].machine.typed

    at_desk(work)


@pytest.mark.net
def test_there_is_a_console_and_nothing_else(at_desk: AtDesk) -> None:
    async def work(here: Desk) -> None:
        async with await here.connect() as connection:
            done = await connection.run("id")
            assert done.exit_status == 1
            assert "a console and nothing else" in str(done.stderr)
            with pytest.raises(asyncssh.Error):
                await connection.start_sftp_client()
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", here.port)
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", here.port)
        assert not here.obmd.servers["n1"].consoles

    at_desk(work)


@pytest.mark.net
def test_no_log_holds_a_key_or_a_capability(at_desk: AtDesk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="hil")
    held = token("n1", 1, Right.CONSOLE)

    async def work(here: Desk) -> None:
        async with here.console(), here.console(held):
            pass
        await here.refused("a-wrong-key")

    at_desk(work)
    assert "host key SHA256:" in caplog.text
    for secret in (KEY, "a-wrong-key", held):
        assert secret not in caplog.text


def test_a_key_never_crosses_a_network_in_clear(tmp_path: Path) -> None:
    config = Config(obmd=Obmd(listen="127.0.0.1:0", hil_url="http://hil.example.org"))
    with pytest.raises(BadArgument, match=r"\[obmd\] hil_url: API keys would"), obmd_parts(config, tmp_path):
        raise AssertionError("it began")


@pytest.mark.net
def test_ssh_is_served_where_it_is_configured(tmp_path: Path) -> None:
    variables = {"HIL_CONFIG": "", "HIL_OBMD__SSH_LISTEN": "127.0.0.1:0"}
    options = ("--state", str(tmp_path / "state"), "--listen", "127.0.0.1:0")
    process = Serving(tmp_path, "obmd", *options, variables=variables)
    try:
        found = process.ready().wait_for(r"ssh: listening on 127.0.0.1 port (\d+), host key (SHA256:\S+)")
        shown = asyncio.run(shown_key(int(found[1])))
        assert shown == found[2]
        assert process.stop() == 0
    finally:
        process.kill()
    (tmp_path / "state" / "obmd" / "ssh_host_key").write_text("not a key")
    status, said = run(tmp_path, "serve", "obmd", *options, **variables)
    assert (status, "ssh_listen: the host key in" in said) == (1, True)


async def shown_key(port: int) -> str:
    key = await asyncssh.get_server_host_key("127.0.0.1", port, config=None)
    assert key is not None
    return str(key.get_fingerprint())


@pytest.mark.parametrize(
    ("listens", "public", "asked"),
    [
        ("127.0.0.1:5000", "", "http://127.0.0.1:5000"),
        ("0.0.0.0:5000", "", "http://127.0.0.1:5000"),
        ("[::]:5000", "", "http://[::1]:5000"),
        ("127.0.0.1:0", "", ""),
        ("192.0.2.1:5000", "", ""),
        ("192.0.2.1:5000", "http://hil.example.org", ""),
        ("192.0.2.1:5000", "https://hil.example.org", "https://hil.example.org"),
    ],
)
def test_inside_hil_the_key_is_shown_to_hil_itself(listens: str, public: str, asked: str) -> None:
    assert own_url(Config(server=Server(listen=listens, public_url=public))) == asked


def test_how_much_is_recorded_comes_from_the_configuration() -> None:
    chosen = Obmd(record="always", recording_bytes=65536, recording_age=9.0)
    assert record_limits(chosen) == RecordLimits(size=65536, age=9.0, always=True)
    assert record_limits(Obmd()).on
    with pytest.raises(ValueError, match="recording_bytes must be 0, or at least 65536"):
        Obmd(recording_bytes=1)
