"""The scene about secrets: the passwords of the controllers, and a capability, are sought wherever they must not be.

Sought is in every file that the lab has written, in the command lines and environments of all processes that may be
read, and in every answer to a GET of the API. The same search must find each of them in the one place where they
belong, so that it is not blind.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import httpx

from hil.client.console import Console
from hil.client.profile import profile_load
from hil.lab.demo.scenes import GREEN, machines
from hil.lab.demo.stage import Stage
from hil.lab.site import OPERATOR, Site

_STREAMS: Final = frozenset({"/v1/events"})
_PLACE: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
_CONTROLLERS_OWN: Final = frozenset({"controllers.json", "vm"})
"""Where a controller's own side of its password is: the owner's note, and what emulates the hardware."""

Places = dict[str, bytes]


def passwords(site: Site) -> dict[str, str]:
    """The password of each node's controller, as the lab's owner may read it."""
    told: dict[str, Any] = json.loads(site.controllers.read_text())
    return {node: str(each["config"]["password"]) for node, each in told.items()}


def secrecy(stage: Stage) -> None:
    """Seek every secret of the controllers everywhere."""
    stage.act(
        "What nobody can read",
        """We know the passwords of the controllers, because this lab is ours, and green has just been given a
        capability for its console. We seek them in everything that was written, in all processes, and in what the API
        answers.""",
    )
    node = machines(stage, GREEN)[0]
    with ExitStack() as held:
        ticket = held.enter_context(stage.client(GREEN)).power.console(node, watch=True)
        held.enter_context(Console(ticket))
        secrets = {f"password of {name}": word for name, word in passwords(stage.site).items()}
        secrets["capability"] = ticket.capability
        places = {**written(stage.site), **processes(), **answers(stage)}
    leaks = found(secrets, places)
    figure = f"{len(secrets)} secrets, {len(places)} places"
    words = "no controller's password and no capability is in a file, a process or an answer of the API"
    stage.claim(words, not leaks, figure, leaks)
    own = {"own": stage.site.controllers.read_bytes() + ticket.capability.encode()}
    seen = {name for _, name in found(secrets, own)}
    stage.claim(
        "the same search finds each where it belongs", seen == set(secrets), f"{len(seen)} of {len(secrets)}", seen
    )


def found(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Where which secret is, as it stands or in base64 behind a user's name."""
    shapes = {
        name: (word.encode(), base64.b64encode(f"hil:{word}".encode()).rstrip(b"=")) for name, word in secrets.items()
    }
    return [
        (place, name)
        for place, text in places.items()
        for name, forms in shapes.items()
        if any(form in text for form in forms)
    ]


def written(site: Site) -> Places:
    """Every file of the lab, but for the controllers' own."""
    files: Places = {}
    for path in sorted(site.directory.rglob("*")):
        inside = path.relative_to(site.directory)
        if path.is_file() and inside.parts[0] not in _CONTROLLERS_OWN:
            with suppress(OSError):
                files[f"file {inside}"] = path.read_bytes()
    return files


def processes() -> Places:
    """Command line and environment of every process, as far as they may be read."""
    seen: Places = {}
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        for what in ("cmdline", "environ") if entry.name.isdigit() else ():
            with suppress(OSError):
                seen[f"{what} of process {entry.name}"] = (entry / what).read_bytes()
    return seen


def answers(stage: Stage) -> Places:
    """What the API answers to every GET, as its operator and as green; and obmd, to its operator."""
    told: Places = {}
    known = dict(_names(stage))
    for who in (OPERATOR, GREEN):
        profile = profile_load(stage.site.profiles, who)
        head = {"Authorization": f"Bearer {profile.token if profile else ''}"}
        with httpx.Client(base_url=stage.plane.facts.endpoint, headers=head, trust_env=False) as http:
            paths: dict[str, Any] = http.get("/v1/openapi.json").json()["paths"]
            for path in (path for path, verbs in paths.items() if "get" in verbs and path not in _STREAMS):
                where = _PLACE.sub(lambda match: known.get(match[1], "none"), path)
                told[f"answer {where} to {who}"] = http.get(where).content
    head = {"Authorization": f"Bearer {stage.site.obmd_token.read_text().strip()}"}
    with httpx.Client(base_url=stage.plane.facts.obmd, headers=head, trust_env=False) as http:
        for where in ("/v1/nodes", "/metrics"):
            told[f"answer {where} of obmd"] = http.get(where).raise_for_status().content
    return told


def _names(stage: Stage) -> Iterator[tuple[str, str]]:
    """A name of each kind that is in paths."""
    node = machines(stage, GREEN)[0]
    switch, port = stage.plane.facts.wiring[node]
    yield from {"project": GREEN, "node": node, "network": f"{GREEN}-net", "switch": switch, "port": port}.items()
    yield from {"user": GREEN, "nic": "eth0"}.items()
