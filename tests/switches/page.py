"""The operators' page of switches, played: what it shows as output is what comes out, on the lab's emulated switches.

A section begins to be played at a comment `<!-- lab: serve DRIVER -->`. Its `yaml` block is an inventory, in which the
settings of the switch are replaced by those of the emulated one; each `sh` block is run, and the `text` block after it
must be what was printed. `<!-- lab: WORD -->` before an `sh` block does something to the device first.

    python -m tests.switches.page        writes the page's outputs anew
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from click.testing import CliRunner

from hil.admin.command import admin
from hil.core.wiring import Mac, Neighbour
from hil.drivers.switch.mock.faults import Fault, FaultKind
from hil.lab.devices import Served, emulator
from hil.lab.devices.model import Device
from tests.structure.source import TOP

PAGE = TOP / "docs" / "operators" / "switches.md"
_PIECE = re.compile(
    r"^<!-- lab: (?P<word>[^>]+) -->$|^```(?P<kind>yaml|sh|text)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_PLACE = re.compile(r"127\.0\.0\.1(:\d+)?")
ADDRESS = "192.0.2.11"
"""What the page calls the address of any switch (RFC 5737)."""


@dataclass(frozen=True)
class Piece:
    """A directive (`lab`) or a block of the page, and where its text stands."""

    kind: str
    text: str
    span: tuple[int, int]


def pieces(page: str) -> Iterator[Piece]:
    for found in _PIECE.finditer(page):
        if found["word"]:
            yield Piece("lab", found["word"], found.span("word"))
        else:
            yield Piece(found["kind"], found["text"], found.span("text"))


def sections(page: str) -> dict[str, list[Piece]]:
    """The pieces to be played, by driver."""
    found: dict[str, list[Piece]] = {}
    for piece in pieces(page):
        if piece.kind == "lab" and piece.text.startswith("serve "):
            found[piece.text.removeprefix("serve ")] = []
        elif piece.kind == "lab" and piece.text == "end":
            found[""] = []
        elif found:
            found[list(found)[-1]].append(piece)
    found.pop("", None)
    return found


def outputs(page: str, driver: str) -> dict[tuple[int, int], str]:
    """Play a section; answers what each of its `text` blocks should hold, by place."""
    return asyncio.run(_play(sections(page)[driver], driver))


async def _play(script: list[Piece], driver: str) -> dict[tuple[int, int], str]:
    (inventory,) = [piece.text for piece in script if piece.kind == "yaml"]
    written = yaml.safe_load(inventory)
    (name,) = written["switches"]
    ports = tuple(written["switches"][name]["ports"])
    platform = emulator(driver)
    device = platform.device(name, platform.ports)
    assert set(ports) < set(platform.ports), f"the lab's {driver} has the ports {platform.ports}"
    found: dict[tuple[int, int], str] = {}
    async with platform.serve(device) as served:
        with tempfile.TemporaryDirectory() as directory:
            where = Path(directory)
            environ = _filled(written["switches"][name], served)
            (where / "site.yaml").write_text(yaml.safe_dump(written))
            await asyncio.to_thread(_run, where, environ, "hil-admin db upgrade\n")
            said = ""
            for piece in script:
                if piece.kind == "lab":
                    _LAB[piece.text](device, written)
                elif piece.kind == "sh":
                    said = await asyncio.to_thread(_run, where, environ, piece.text)
                    device.faults.clear()
                elif piece.kind == "text":
                    found[piece.span] = said
    return found


def _filled(switch: dict[str, Any], served: Served) -> dict[str, str]:
    """Put the lab's settings in the place of the page's; answers the environment for those that come from there."""
    environ: dict[str, str] = {}
    unknown = switch["config"].keys() - served.config.keys() - _OPTIONAL
    assert not unknown, f"the page sets {unknown}, and the lab does not"
    for key, value in served.config.items():
        said = switch["config"].get(key)
        if isinstance(said, Mapping) and "env" in said:
            environ[said["env"]] = str(value)
        else:
            switch["config"][key] = value
    return environ


_OPTIONAL = {"parked"}


def _run(where: Path, environ: Mapping[str, str], block: str) -> str:
    """Run the commands of a block; answers what they printed, errors included, with the page's address in it."""
    said = ""
    logging.disable(logging.CRITICAL)  # a terminal shows warnings, a test collects them: the page is about neither
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HIL_")}
    with mock.patch.dict(os.environ, {**clean, **environ}, clear=True):
        for line in block.splitlines():
            program, *words = [str(where / word) if word == "site.yaml" else word for word in shlex.split(line)]
            assert program == "hil-admin", line
            words = [*words, "--yes"] if words[:2] == ["inventory", "apply"] else words
            result = CliRunner().invoke(admin, ["--state", str(where / "state"), *words], prog_name="hil-admin")
            assert isinstance(result.exception, SystemExit | None), result.exception
            said += result.output
    logging.disable(logging.NOTSET)
    return _PLACE.sub(ADDRESS, said)


def _nics(written: Mapping[str, Any]) -> dict[str, str]:
    """MAC addresses by port, as registered."""
    nics = [nic for node in written["nodes"].values() for nic in node["nics"].values()]
    return {nic["port"].partition("/")[2]: nic["macaddr"] for nic in nics}


def _plugged(device: Device, macs: Mapping[str, str]) -> None:
    device.macs = {port: [Mac(mac, 1)] for port, mac in macs.items()}
    device.neighbours = {port: [Neighbour(mac, mac)] for port, mac in macs.items()}


def _swap(device: Device, written: Mapping[str, Any]) -> None:
    macs = _nics(written)
    _plugged(device, dict(zip(macs, reversed(macs.values()), strict=True)))


_LAB = {
    "cables as registered": lambda device, written: _plugged(device, _nics(written)),
    "cables swapped": _swap,
    "wrong password": lambda device, written: device.faults.add(Fault(kind=FaultKind.WRONG_PASSWORD, count=None)),
    "no answer": lambda device, written: device.faults.add(Fault(kind=FaultKind.UNREACHABLE, count=None)),
}


def renewed(page: str) -> str:
    """The page with every played output as it comes out now."""
    places = {place: text for driver in sections(page) for place, text in outputs(page, driver).items()}
    for (begin, end), text in sorted(places.items(), reverse=True):
        page = page[:begin] + text + page[end:]
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
