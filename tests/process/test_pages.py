"""What the pages for operators say is true: commands exist, files load, and what can be run is run."""

import configparser
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import psycopg
import pytest
from cryptography.fernet import Fernet

from hil.admin.command import admin
from hil.config import load
from hil.main import app
from hil.process.serve import serve
from tests.process.serving import CLEAN, run
from tests.structure.source import TOP
from tests.support.databases import Cluster, program_path

PAGES = TOP / "docs" / "operators"
UNITS = TOP / "packaging" / "systemd"
PROGRAMS = {"hil": app, "hil-admin": admin}


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[list[str]]:
    """Every call of our programs on a page, as words."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    words = [shlex.split(line.removeprefix("sudo -u hil "), comments=True) for line in lines]
    return [line for line in words if line and line[0] in PROGRAMS]


ALL = [(path.name, words) for path in sorted(PAGES.glob("*.md")) for words in commands(path.name)]


def understood(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse a command line without running the command; raises click's UsageError."""
    program = PROGRAMS[words[0]]
    monkeypatch.setattr(serve, "callback", lambda **_: None)
    monkeypatch.setattr("hil.cli.lazy.Command.invoke", lambda self, ctx: None)
    program.main(words[1:], words[0], standalone_mode=False)


@pytest.mark.parametrize(("page", "words"), ALL, ids=[f"{page}: {' '.join(words)}" for page, words in ALL])
def test_every_command_on_the_pages_exists(page: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    understood(words, monkeypatch)


def test_a_command_that_does_not_exist_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["hil-admin", "db", "downgrade"], ["hil", "serve", "--states", "x"], ["hil", "switch", "set"]):
        with pytest.raises(click.UsageError):
            understood(words, monkeypatch)
    assert len(ALL) > 20


def test_commands_named_in_prose_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in PAGES.glob("*.md"):
        prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        for found in re.findall(r"`(hil(?:-admin)?\s[^`]*)`", prose):
            words = found.split()
            program: click.Command | None = PROGRAMS[words[0]]
            for word in words[1:]:
                if not isinstance(program, click.Group):
                    break
                program = program.get_command(click.Context(program), word)
                assert program is not None, f"{path.name}: {found}"


@pytest.mark.parametrize("unit", ["hil.service", "hil-api@.service", "hil-worker@.service"])
def test_a_unit_starts_a_command_that_exists_and_is_hardened(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = configparser.RawConfigParser(strict=False, delimiters=("=",))
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # names of units have case
    parsed.read(UNITS / unit)
    service = parsed["Service"]
    program, *arguments = service["ExecStart"].split()
    assert program == "/opt/hil/bin/hil"
    understood(["hil", *arguments], monkeypatch)
    assert (service["Type"], service["User"], service["Restart"]) == ("notify", "hil", "on-failure")
    for name in ("NoNewPrivileges", "PrivateTmp", "MemoryDenyWriteExecute", "ProtectHome", "RestrictNamespaces"):
        assert service[name] == "yes"
    assert (service["ProtectSystem"], service["CapabilityBoundingSet"]) == ("strict", "")


def test_the_units_are_hardened_alike() -> None:
    parts = {path.read_text().partition("# What a process of HIL may do")[2] for path in UNITS.glob("*.service")}
    assert len(parts) == 1
    assert len(list(UNITS.glob("*.service"))) == 4


def test_the_configuration_of_the_guide_is_one(tmp_path: Path) -> None:
    (text,) = blocks("production.md", "toml")
    path = tmp_path / "hil.toml"
    path.write_text(text)
    config = load(path, {})
    assert config.server.trusted_proxies == ("127.0.0.1",)
    assert config.database.url.reveal() == "postgresql://hil@/hil"


def test_every_message_that_is_explained_is_one_that_hil_says() -> None:
    source = "".join(path.read_text() for path in (TOP / "src" / "hil").rglob("*.py"))
    page = (PAGES / "troubleshooting.md").read_text()
    told = [*re.findall(r"^### `(.*)`$", page, re.MULTILINE), "No session"]
    assert len(told) > 5
    assert [words for words in told if words not in source] == []


def own(page: str, *programs: str) -> Iterator[list[str]]:
    """The lines of a page that call one of these programs."""
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("sudo -u hil "), comments=True)
            if words and words[0] in programs:
                yield words


@pytest.mark.net
def test_the_installation_guide_leads_to_an_operator_and_a_pool(tmp_path: Path) -> None:
    for words in own("install.md", "hil-admin"):
        arguments = [str(tmp_path) if word == "/var/lib/hil" else word for word in words[1:]]
        status, said = run(tmp_path, *arguments, program="hil.admin", text="correct horse\n")
        assert status == 0, said
    status, said = run(tmp_path, "--state", str(tmp_path), "user", "list", program="hil.admin")
    assert (status, said.splitlines()[1].split()) == (0, ["olga", "yes"])


@pytest.mark.net
def test_the_inventory_of_the_page_can_be_applied(tmp_path: Path) -> None:
    (text,) = blocks("inventory.md", "yaml")
    (tmp_path / "site.yaml").write_text(text)
    state = ("--state", str(tmp_path))
    assert run(tmp_path, *state, "db", "upgrade", program="hil.admin")[0] == 0
    for words in own("inventory.md", "hil-admin"):
        yes = ["--yes"] if "apply" in words else []
        status, said = run(tmp_path, *state, *words[1:], *yes, program="hil.admin", LEAF2_PASSWORD="x" * 8)
        assert status == 0, said
    said = run(tmp_path, *state, "inventory", "diff", "--prune", "site.yaml", program="hil.admin")[1]
    assert said == "no difference\n"


@pytest.mark.net
def test_a_backup_made_and_restored_as_the_guide_says_is_whole(postgres: Cluster, tmp_path: Path) -> None:
    name = postgres.create()
    account = {
        "PGHOST": str(postgres.directory),
        "PGUSER": "hil",
        "PATH": f"{Path(program_path('pg_dump')).parent}:/bin",
    }

    def follow(*programs: str) -> None:
        chosen = [words for words in own("production.md", *programs) if "before.dump" not in str(words)]
        assert [words[0] for words in chosen] == list(programs)
        for words in chosen:
            command = [name if word == "hil" else word for word in words]
            command = [word.replace("--dbname=hil", f"--dbname={name}") for word in command]
            subprocess.run(command, check=True, cwd=tmp_path, env=CLEAN | account)

    (tmp_path / "keys").write_text(Fernet.generate_key().decode())
    (tmp_path / "keys").chmod(0o600)
    variables = {"HIL_DATABASE_URL": postgres.url(name), "HIL_KEY_FILE": str(tmp_path / "keys")}
    assert run(tmp_path, "pool", "set", "100-109", program="hil.admin", **variables)[0] == 0
    head = run(tmp_path, "audit", "head", program="hil.admin", **variables)[1].strip()
    follow("pg_dump")
    assert run(tmp_path, "pool", "set", "", program="hil.admin", **variables)[0] == 0
    postgres.drop(name)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.url(name))
    follow("createdb", "pg_restore")
    assert run(tmp_path, "db", "check", program="hil.admin", **variables)[0] == 0
    assert run(tmp_path, "audit", "verify", "--head", head, program="hil.admin", **variables)[0] == 0
    assert "100-109" in run(tmp_path, "pool", "show", program="hil.admin", **variables)[1]
    postgres.drop(name)


def test_scripts_of_the_guides_name_files_that_exist() -> None:
    for path in PAGES.glob("*.md"):
        for block in blocks(path.name, "sh"):
            for found in re.findall(r"(?:packaging|requirements)/\S+", block):
                assert (TOP / found).exists(), found
    assert os.access(TOP / "packaging", os.R_OK)
