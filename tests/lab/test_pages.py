"""The commands in README.md and in the page of the lab: each is run, in order, as somebody who reads would type it."""

import re
import sys
from pathlib import Path

import pytest

from tests.lab.terminal import KINDS, programs, run

TOP = Path(__file__).resolve().parents[2]
README, PAGE = TOP / "README.md", TOP / "docs" / "users" / "lab.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"^make (\w+)", re.MULTILINE)


def blocks(page: Path) -> list[str]:
    """What stands in a page's fenced blocks; all of them are for a shell."""
    found = BLOCK.findall(page.read_text())
    assert {kind for kind, _ in found} == {"sh"}, "every block of these pages is run: mark it `sh`"
    return [text for _, text in found]


def play(page: Path, home: Path, kind: str) -> str:
    """Run a page's blocks in one shell, the slow `make` targets apart; answers what was seen."""
    commands = [text for text in blocks(page) if not MAKE.search(text)]
    script = "\n".join(["set -eux", *(text.replace("hil lab up\n", f"hil lab up --{kind}\n") for text in commands)])
    script = re.sub(r"hil lab up( +#)", rf"hil lab up --{kind}\1", script)
    assert f"--{kind}" in script
    where = {"HOME": str(home), "XDG_STATE_HOME": "", "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/bin"}
    ran = run("bash", "-c", script, environ=where, cwd=TOP)
    assert ran.code == 0, ran.out + ran.err
    return ran.out


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_leads_to_a_first_network_in_five_commands(short_dir: Path, kind: str) -> None:
    [five] = [text for text in blocks(README) if "hil lab up" in text]
    assert len(five.splitlines()) == 5
    seen = play(README, short_dir, kind)
    assert "node01  eth0  connect  mine     vlan/native  DONE" in seen
    reached = {"ovs": "node01 has an answer of node02", "plain": "node01 reaches node02 untagged"}[kind]
    assert reached in seen
    assert "Nothing is left of the lab" in seen
    assert programs(short_dir) == {}
    assert not (short_dir / ".local" / "state" / "hil-lab").exists()


def test_the_readme_names_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (TOP / "Makefile").read_text(), re.MULTILINE))
    named = set(MAKE.findall("\n".join(blocks(README))))
    assert named == {"demo", "test"}
    assert named <= targets


def test_the_readme_links_to_pages_that_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README.read_text())
    assert links
    assert [link for link in links if not (TOP / link).exists()] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_on_the_page_of_the_lab_works(short_dir: Path, kind: str) -> None:
    seen = play(PAGE, short_dir, kind)
    assert "Nothing is left of the lab" in seen
    assert programs(short_dir) == {}
