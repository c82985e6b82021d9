"""A driver that somebody else published: installed as its own package, it works everywhere and HIL was not touched."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.client import Client
from hil.testing.promises import PROMISES
from tests.client.server import Server, clean
from tests.structure.source import TOP

pytestmark = pytest.mark.net
SOURCE = Path(__file__).parent / "hil-acme"
LACKS = {
    *("tells_busy", "hardens_edge_ports", "rolls_back_unconfirmed", "tells_other_identity", "tells_who_is_plugged_in")
}
"""Promises for which an Acme switch has nothing, as its grade says."""
GENERATED = """
import sys
sys.path.insert(0, "tools")
from generate import TOP, load
print(load(TOP / "tools" / "generators" / "drivers.py").text("hil-acme"))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package installed, as `pip` does it without any index."""
    base = tmp_path_factory.mktemp("acme")
    shutil.copytree(SOURCE, base / "source")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(base / "lib"), str(base / "source")]
    subprocess.run(command, check=True, env=clean({"HOME": str(base), "PIP_CONFIG_FILE": "/dev/null"}), timeout=120)
    return base / "lib"


def python(library: Path, *arguments: str) -> str:
    found = subprocess.run(
        [sys.executable, *arguments],
        env=clean({"PYTHONPATH": str(library)}),
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def device(library: Path) -> Iterator[dict[str, Any]]:
    """Settings of an Acme switch that is being served."""
    with subprocess.Popen(
        [sys.executable, "-m", "hil_acme.bench", "serve"],
        env=clean({"PYTHONPATH": str(library)}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.communicate("", timeout=60)


@pytest.fixture(scope="module")
def server(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A HIL of whose installation the package is a part."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(library))
    found = Server(tmp_path_factory.mktemp("hil"))
    patch.undo()
    yield found
    found.stop()


def test_it_keeps_every_promise_of_the_check(library: Path) -> None:
    report = python(library, "-m", "hil_acme.bench", "check")
    kept = [promise.__name__ for promise in PROMISES if promise.__name__ not in LACKS]
    assert report.splitlines()[: len(kept)] == [f"kept       {name}" for name in kept]
    assert {line.split()[2].removesuffix(":") for line in report.splitlines()[len(kept) :]} == LACKS


def test_its_page_is_generated_like_ours(library: Path) -> None:
    page = python(library, "-c", GENERATED)
    assert "| [acme](#acme) | Acme switch | yes | replace port | port | explicit | no | 2-4000 |" in page
    assert "| `port` | whole number, 1 to 65535 | `7000` | Its TCP port. |" in page
    assert "| `password` | text, secret | required |" in page
    assert "an Acme switch has no LLDP" in page
    assert "## ovs" not in page


def test_its_grade_is_checked_like_ours(library: Path) -> None:
    said = python(library, "-c", "from hil.drivers.quality import grade; print(grade('acme')['macs'].status)")
    assert said == "todo\n"


def test_the_api_and_the_command_line_list_it(server: Server) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "hil.main", "switch", "drivers", "-o", "json"],
        env=clean(server.environ()),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = {driver["name"]: driver for driver in json.loads(listed.stdout)}
    assert found["acme"]["title"] == "Acme switch"
    assert found["acme"]["secrets"] == ["password"]
    assert "ovs" in found


def test_a_node_behind_it_gets_a_network_and_the_switch_can_be_tried(
    server: Server, library: Path, device: dict[str, Any]
) -> None:
    hil: Client = server.operator
    hil.switches.register("acme1", "acme", device)
    assert hil.ports.register("acme1", "A01").name == "a1"
    hil.nodes.register("n1")
    hil.nodes.add_nic("n1", "eth0", "")
    hil.ports.wire("acme1", "a1", "n1", "eth0")
    deadline = time.monotonic() + 60
    while (port := hil.ports.get("acme1", "a1")).applied < port.wanted:
        assert time.monotonic() < deadline, port.raw
        time.sleep(0.02)
    hil.projects.create("p1")
    hil.networks.create("net1", "p1")
    hil.nodes.allocate("p1", ["n1"])
    done = hil.networks.connect("n1", "eth0", "net1").wait(60)
    assert (done.status, done.reason) == ("DONE", "")
    seen = hil.ports.get("acme1", "a1")
    assert seen.raw["observed"] == {"native": 100, "tagged": []}
    state = str(server.log.parent / "state")
    said = python(library, "-c", "from hil.admin import main; main()", "--state", state, "switch", "test", "acme1")
    assert "acme1 answers: Roadrunner, firmware 4.2" in said
    assert "as wanted" in said
