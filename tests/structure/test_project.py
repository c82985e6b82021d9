"""The project's own files: nothing of one machine in them, and locks that lock."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.structure.source import TOP, project_files

# Package hosts, content networks and paths of one machine. (The brackets keep this file from finding itself.)
FOREIGN = re.compile(
    r"py[p]i\.org|pythonhoste[d]|npmj[s]\.|unpk[g]\.com|jsdeliv[r]|cdn[j]s|deb\.debia[n]|"
    r"(?<![\w.*-])/(work|root|opt/py[p]i|opt/wheel[s])/|/tmp/[a-z]*_?job[s]"
)
LOCKS = ["requirements/run.txt", "requirements/dev.txt"]


def foreign(text: str) -> list[str]:
    return [f"{number}: {line[:100]}" for number, line in enumerate(text.splitlines(), 1) if FOREIGN.search(line)]


def locked(path: str) -> dict[str, Requirement]:
    """Read the pinned requirements of a lock file, by normalised name."""
    text = (TOP / path).read_text().replace("\\\n", " ")
    pins = [Requirement(line.split(" --hash")[0]) for line in text.splitlines() if line and line[0].isalnum()]
    return {normal(pin.name): pin for pin in pins}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(path: str) -> list[Requirement]:
    settings = tomllib.loads((TOP / "pyproject.toml").read_text())
    dev = settings["dependency-groups"]["dev"] if path.endswith("dev.txt") else []
    return [Requirement(text) for text in settings["project"]["dependencies"] + dev]


def test_no_file_names_a_package_host_or_a_path_of_one_machine() -> None:
    found: dict[str, list[str]] = {}
    for path in project_files():
        if lines := foreign(path.read_bytes().decode(errors="ignore")):
            found[path.relative_to(TOP).as_posix()] = lines
    assert found == {}


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("see https://py" + "pi.org/simple", 1),
        ("cp /wor" + "k/main/x .", 1),
        ("WantedBy=multi-user.target", 0),
        ("docs/root/index.md and build/work/x", 0),
        ("/srv/hil/work/x", 0),
    ],
)
def test_hosts_and_machine_paths_are_recognised(line: str, number: int) -> None:
    assert len(foreign(line)) == number


@pytest.mark.parametrize("path", LOCKS)
def test_a_lock_names_no_address_and_hashes_everything(path: str) -> None:
    text = (TOP / path).read_text()
    assert "://" not in text
    assert not re.search(
        r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host|-e)\b", text, re.MULTILINE
    )
    entries = [line for line in text.replace("\\\n", " ").splitlines() if line and line[0].isalnum()]
    assert entries
    assert [line for line in entries if "==" not in line or "--hash=sha256:" not in line or " @ " in line] == []


@pytest.mark.parametrize("path", LOCKS)
def test_a_lock_satisfies_what_the_project_asks_for(path: str) -> None:
    pins = locked(path)
    unmet = []
    for requirement in wanted(path):
        pin = pins.get(normal(requirement.name))
        version = next(iter(pin.specifier)).version if pin else ""
        if pin is None or not requirement.specifier.contains(version, prereleases=True):
            unmet.append(str(requirement))
    assert unmet == [], "run `make lock`"


def test_both_locks_agree_on_what_a_server_runs() -> None:
    run, dev = locked(LOCKS[0]), locked(LOCKS[1])
    assert {name: str(pin.specifier) for name, pin in run.items()} == {name: str(dev[name].specifier) for name in run}


def test_every_change_fragment_has_its_own_number_and_a_heading() -> None:
    fragments = [path for path in sorted((TOP / "changes").glob("*.md")) if path.name != "README.md"]
    assert [path.name for path in fragments if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name)] == []
    assert len({path.name[:4] for path in fragments}) == len(fragments)
    assert [path.name for path in fragments if not path.read_text().startswith("# ")] == []


def test_scripts_are_executable() -> None:
    scripts = [path for path in project_files() if path.read_bytes()[:2] == b"#!"]
    assert scripts
    assert [str(path.relative_to(TOP)) for path in scripts if not is_executable(path)] == []


def is_executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)
