"""The controllers' secrets over the whole life of a lab: looked for all the time, and in everything that is left.

A lab's passwords are drawn by chance, so they are known only once it stands; what was seen of processes is kept from
its first moment on and searched at the end. Sought are every controller's password, obmd's admin token, and the
capabilities that a tenant was given.
"""

from __future__ import annotations

import json
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
import pytest

from hil.client import Client, HilClientError
from hil.client.console import Console
from hil.client.profile import profile_load
from hil.lab import view
from hil.lab.site import OPERATOR, Site
from tests.lab.conftest import standing
from tests.lab.terminal import Ran, clean, done, hil, run, until
from tests.lab.test_secrets import answers, talkative

ADMIN: Final = "from hil.admin import main; main()"
AGAIN: Final = "Bmc-Geheimnis-4713-anew"


class ProcessWatch:
    """Keeps the command line and the environment of every process that ever ran, as root could read them."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._known: set[tuple[str, bytes]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> ProcessWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            for entry in Path("/proc").iterdir():
                with suppress(OSError):
                    line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                    if line and (entry.name, line) not in self._known:
                        self._known.add((entry.name, line))
                        self.seen |= {line, (entry / "environ").read_bytes()}


def admin(site: Site, *words: str, stdin: str = "") -> Ran:
    place = ["--config", str(site.config), "--state", str(site.state)]
    return run(sys.executable, "-c", ADMIN, *place, *words, environ=clean(), stdin=stdin)


def worked(site: Site, blue: Client) -> list[str]:
    """Do what has to do with controllers, well and badly; answers what was printed."""
    told = json.loads(site.controllers.read_text())["node01"]["config"]
    words = ("--driver", "emulated", "--set", f"address={told['address']}")
    said = [
        done(hil(site, "-v", "node", "obm", "enable", "node01,node02", person="blue")),
        done(hil(site, "-v", "node", "power", "on", "node01", "--wait", person="blue")),
        done(hil(site, "-v", "node", "sensors", "node01", person="blue")),
        hil(site, "-v", "node", "power", "off", "node01", "--yes", person="green"),
        done(admin(site, "obm", "list", "--json")),
        done(admin(site, "obm", "test", "node01")),
        done(admin(site, "obm", "register", "node02", *words, "--password-stdin", stdin=AGAIN + "\n")),
        admin(site, "obm", "test", "node02"),
        admin(site, "obm", "register", "node02", *words, "--set", "password=x"),
        hil(site, "-v", "node", "power", "status", "node02", person="blue"),
    ]
    for kind in ("dead", "drop", "wrong-password"):
        site.ask("fault", node="node01", kind=kind, settings={} if kind == "dead" else {"count": "2"})
        said.append(until(lambda: _failure(blue)))
        site.ask("clear", node="node01")
    codes = [ran.code for ran in said]
    assert codes[:3] == codes[4:7] == [0, 0, 0]
    assert all((codes[3], *codes[7:]))
    return [ran.out + ran.err for ran in said]


def _failure(blue: Client) -> Ran | None:
    """What a person is told if the controller fails now."""
    try:
        blue.power.get("node01", max_age=0)
    except HilClientError as error:
        return Ran(1, str(error), repr(error))
    return None


def capabilities(site: Site, blue: Client) -> dict[str, str]:
    """Watch a console, with a capability and a newer one; answers both."""
    old = blue.power.console("node01")
    with Console(old) as seen:
        assert seen.receive()["event"] == "hello"  # type: ignore[call-overload]  # the first is no output
        site.ask("say", node="node01", text="it speaks")
        while b"it speaks" not in (part if isinstance(part := seen.receive(), bytes) else b""):
            pass
        new = blue.power.console("node01")
        seen.renew(new)
        seen.send(b"typed\r")
        until(lambda: "typed" in str(site.ask("tail", node="node01")))
    http = httpx.get(f"{site.facts.obmd}/v1/nodes/node01/power", headers={"Authorization": f"Bearer {new.capability}"})
    return {"capability": old.capability, "newer capability": new.capability, "": http.text}


def left(site: Site) -> dict[str, bytes]:
    """Every file of the lab but the one that is the owner's own note, and the keys and tokens themselves."""
    own = {site.controllers, site.obmd_token}
    return {
        str(path.relative_to(site.directory)): path.read_bytes()
        for path in site.directory.rglob("*")
        if path.is_file() and path not in own
    }


@pytest.mark.net
def test_no_secret_of_a_controller_is_in_a_log_a_process_an_answer_or_a_database() -> None:
    with ProcessWatch() as watch, standing("plain", nodes=2) as site, view.client(site, "blue") as blue:
        talkative(site)
        blue.nodes.allocate("blue", ["node01", "node02"])
        found = {f"output {number}": text.encode() for number, text in enumerate(worked(site, blue))}
        until(lambda: _reached(blue))
        hidden = capabilities(site, blue)
        found["answer of obmd"] = hidden.pop("").encode()
        blue.nodes.release("node01").wait(60)
        found |= {f"answer {path}": body for path, body in answers(site).items()}
        found |= {f"answer of obmd {path}": body for path, body in obmd_answers(site).items()}
        found |= {f"file {name}": data for name, data in left(site).items()}
        told = json.loads(site.controllers.read_text())
        hidden |= {f"password of {node}": each["config"]["password"] for node, each in told.items()}
        hidden |= {"a changed password": AGAIN, "admin token": site.obmd_token.read_text().strip()}
        kept = site.controllers.read_text() + site.obmd_token.read_text()
    found["processes"] = b"\n".join(watch.seen)
    assert b"hil.lab.supervisor" in found["processes"]
    assert b"HIL_PROFILE_FILE=" in found["processes"]
    assert b"it speaks" in b"".join(data for name, data in found.items() if "recordings" in name)
    assert b"refused obmd's log-in" in b"".join(found.values())
    assert sum(secret in kept for secret in hidden.values()) == 3, "the search finds nothing even where it must"
    assert len(hidden) == 6
    leaks = [
        (place, name) for place, text in found.items() for name, secret in hidden.items() if secret.encode() in text
    ]
    assert leaks == []


def _reached(blue: Client) -> bool:
    """Whether obmd's pause after the refused log-in is over."""
    with suppress(HilClientError):
        return blue.power.get("node01", max_age=0).on
    return False


def obmd_answers(site: Site) -> dict[str, bytes]:
    """What obmd tells its operator, and somebody without a token."""
    paths = ("/v1/nodes", "/v1/nodes/node01", "/metrics", "/healthz", "/node/node01")
    head = {"Authorization": f"Bearer {site.obmd_token.read_text().strip()}"}
    profile = profile_load(site.profiles, OPERATOR)
    assert profile is not None
    with httpx.Client(base_url=site.facts.obmd) as http:
        told = {path: http.get(path, headers=head).content for path in paths}
        told |= {f"{path} without": http.get(path).content for path in paths}
        test = http.post("/v1/nodes/node01/test", headers=head)
        foreign = http.get("/v1/nodes", headers={"Authorization": f"Bearer {profile.token}"})
    assert test.status_code == 200
    assert foreign.status_code == 401
    assert b"node01" in told["/v1/nodes"]
    return told | {"test": test.content, "foreign": foreign.content}
