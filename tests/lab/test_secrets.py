"""Secrets stay where they belong: a lab is run with known ones, and everything that it says or leaves is searched.

Searched are all logs at their most talkative, the command lines of all processes, every answer that the API gives to a
GET, what commands print, and the database. Passwords, tokens, keys and the credentials made of them must be nowhere.
"""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from hil.client.profile import profile_load
from hil.drivers.switch.mock.device import EmulatedSwitch
from hil.lab.site import OPERATOR, PROJECTS, Site
from hil.lab.switchd import EmulatedSwitchServer
from tests.lab.conftest import standing
from tests.lab.terminal import done, hil, until

SWITCH_PASSWORD: Final = "Sw1tch-Geheimnis-4711"
USER_PASSWORD: Final = "Us3r-Geheimnis-0815-lang"
NEW_PASSWORD: Final = "Us3r-Geheimnis-neu-0816"
WRONG_PASSWORD: Final = "Wr0ng-Geheimnis-for-log-in"
WRONG_TOKEN: Final = "hil_0123456789abcdef_wrongwrongwrongwrong"
OBMD_TOKEN: Final = "0bmd-Geheimnis-token-42"


@contextmanager
def switch_of_our_own() -> Iterator[str]:
    """A switch whose password we know, in a thread; yields its address."""
    loop, ready, found = asyncio.new_event_loop(), threading.Event(), []
    ending = asyncio.Event()

    async def serve() -> None:
        device = EmulatedSwitch("own", username="hil", password=SWITCH_PASSWORD)
        async with EmulatedSwitchServer(device) as server:
            found.append(server.address)
            ready.set()
            await ending.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(30)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join()
        loop.close()


def secrets(site: Site) -> dict[str, bytes]:
    """Every secret of this run by a name, and every form in which one could get out."""
    plain = {
        "switch password": SWITCH_PASSWORD,
        "user password": USER_PASSWORD,
        "new password": NEW_PASSWORD,
        "wrong password": WRONG_PASSWORD,
        "wrong token": WRONG_TOKEN,
        "OBMd token": OBMD_TOKEN,
    }
    for person in (OPERATOR, *PROJECTS):
        kept = profile_load(site.profiles, person)
        assert kept is not None
        plain[f"token of {person}"] = kept.token
    for number, line in enumerate((site.state / "keys").read_text().split()):
        plain[f"key {number}"] = line
    found = {name: text.encode() for name, text in plain.items()}
    for user, word in (("carol", USER_PASSWORD), ("carol", NEW_PASSWORD), ("carol", WRONG_PASSWORD)):
        found[f"credentials {user} {word[:4]}"] = base64.b64encode(f"{user}:{word}".encode())
    return found


def talkative(site: Site) -> None:
    """Start HIL again with everything logged that it can log."""
    site.config.write_text(site.config.read_text() + '\n[log]\nlevel = "debug"\n')
    done(hil(site, "lab", "fault", "crash"))
    until(lambda: site.ask("status")["starts"] == 2 and site.ask("status")["serving"])


def live(site: Site, address: str) -> list[str]:
    """Do what handles secrets, well and badly; answers what was printed."""
    config = f'{{"address": "{address}", "username": "hil", "password": "{SWITCH_PASSWORD}"}}'
    badly = config.replace(SWITCH_PASSWORD, WRONG_PASSWORD)
    carol = {"HIL_PROFILE": "", "HIL_PROFILE_FILE": "/nonexistent", "HIL_USERNAME": "carol"}
    carol["HIL_ENDPOINT"] = site.facts.endpoint
    said = [
        done(hil(site, "-v", "switch", "register", "own", "--driver", "emulated", "--config", "-", stdin=config)),
        done(hil(site, "-v", "switch", "show", "own", "-o", "json")),
        done(hil(site, "-v", "port", "register", "own", "p1")),
        done(
            hil(
                site, "-v", "node", "register", "extra", "--obmd-uri", "http://127.0.0.1:9/x", HIL_OBMD_TOKEN=OBMD_TOKEN
            )
        ),
        done(hil(site, "-v", "nic", "add", "extra", "eth0", "02:00:00:00:00:99")),
        done(hil(site, "-v", "port", "wire", "own", "p1", "extra", "eth0")),
        done(hil(site, "-v", "user", "create", "carol", "--password-stdin", stdin=USER_PASSWORD + "\n")),
        hil(site, "-v", "whoami", **carol, HIL_PASSWORD=USER_PASSWORD),
        hil(site, "-v", "whoami", **carol, HIL_PASSWORD=WRONG_PASSWORD),
        hil(site, "-v", "whoami", **{**carol, "HIL_USERNAME": "", "HIL_TOKEN": WRONG_TOKEN}),
        done(hil(site, "-v", "user", "password", "carol", "--password-stdin", stdin=NEW_PASSWORD + "\n")),
        hil(site, "-v", "whoami", **carol, HIL_PASSWORD=NEW_PASSWORD),
    ]
    until(lambda: done(hil(site, "port", "show", "own", "p1", "-o", "json")).json["applied"] > 0)
    said.append(done(hil(site, "-v", "switch", "update", "own", "--config", "-", stdin=badly)))
    until(lambda: "refuses" in done(hil(site, "switch", "show", "own", "-o", "json")).out)
    said += [done(hil(site, *words)) for words in (["trouble"], ["plan"], ["journal", "-o", "json"], ["lab", "status"])]
    assert [ran.code for ran in said[7:10]] == [0, 4, 4]
    return [ran.out + ran.err for ran in said]


def answers(site: Site) -> dict[str, bytes]:
    """Everything that can be had from the API by GET, as an operator."""
    token = profile_load(site.profiles, OPERATOR)
    assert token is not None
    known = {"project": "blue", "node": "extra", "network": "none", "switch": "own", "port": "p1", "user": "carol"}
    found: dict[str, bytes] = {}
    with httpx.Client(base_url=site.facts.endpoint, headers={"Authorization": f"Bearer {token.token}"}) as http:
        paths: dict[str, Any] = http.get("/v1/openapi.json").json()["paths"]
        for path, verbs in paths.items():
            if "get" not in verbs or path == "/v1/events":
                continue
            where = path.replace("{port:path}", "{port}")
            for name, value in known.items():
                where = where.replace(f"{{{name}}}", value)
            found[where] = http.get(where).content
        for where in ("/metrics", "/healthz", "/v0/switches", "/v0/switch/own", "/v0/node/extra", "/v0/nodes/free"):
            found[where] = http.get(where).content
        with http.stream("GET", "/v1/events", headers={"Last-Event-ID": "0"}) as stream:
            some = b""
            for chunk in stream.iter_bytes():
                some += chunk
                if some.count(b"\nid:") > 20 or b": " in chunk[:3]:
                    break
            found["/v1/events"] = some
    return found


def command_lines() -> bytes:
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                lines.append((entry / "cmdline").read_bytes())
            except OSError:
                continue
    return b"\n".join(lines)


class Watch:
    """Looks at the command lines of all processes again and again, as a curious user of the machine could."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            self.seen.update(command_lines().split(b"\n"))


@pytest.mark.net
def test_no_secret_is_in_a_log_a_command_line_an_answer_or_the_database() -> None:
    with standing("plain", nodes=2) as site, switch_of_our_own() as address, Watch() as watch:
        talkative(site)
        said = live(site, address)
        found = {f"answer {path}": body for path, body in answers(site).items()}
        found |= {f"output {number}": text.encode() for number, text in enumerate(said)}
        found["command lines"] = b"\n".join(watch.seen)
        for path in (site.log, site.hil_log, site.config, *site.state.glob("hil.db*")):
            found[path.name] = path.read_bytes()
        hidden = secrets(site)
        kept = site.profiles.read_bytes() + (site.state / "keys").read_bytes()
    assert b"own refuses the user name or password" in found["hil.log"]
    assert b"hil.lab.supervisor" in found["command lines"]
    assert b"carol" in b"".join(found.values())
    assert len(found) > 40
    assert sum(secret in kept for secret in hidden.values()) == 4, "the search finds nothing even where it must"
    leaks = [(place, name) for place, text in found.items() for name, secret in hidden.items() if secret in text]
    assert leaks == []
