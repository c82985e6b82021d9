"""The commands of hil-admin, one after the other, as an operator types them."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import LargeBinary, delete, select, update

from hil.admin.command import LAZY, NOUNS, admin
from hil.admin.here import Here
from hil.admin.inventory import command
from hil.auth.backend import open_backend
from hil.auth.credentials import Credentials
from hil.core.errors import Unavailable
from hil.core.secret import Secret
from hil.process import compose
from hil.services.switch import switch_config
from hil.store.keys import Keyring
from hil.store.tables import Base, Idempotency, Journal, Switch, User
from hil.store.unit import Store
from tests.admin.inventories import ENVIRON, SITE

Run = Callable[..., Result]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run hil-admin on a state directory of its own, without a database."""
    for name in [name for name in os.environ if name.startswith("HIL_")]:
        monkeypatch.delenv(name)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    umask = os.umask(0o022)

    def runner(*arguments: str, text: str = "", state: str = "state") -> Result:
        result = CliRunner().invoke(
            admin, ["--state", str(tmp_path / state), *arguments], input=text, prog_name="hil-admin"
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    yield runner
    os.umask(umask)


@pytest.fixture
def run(empty: Run) -> Run:
    """The same, with a database."""
    done = empty("db", "upgrade")
    assert (done.exit_code, done.stdout) == (0, "the schema is of revision 0002\n")
    return empty


def store(tmp_path: Path, keys: Path | None = None) -> Store:
    return Store(f"sqlite:///{tmp_path}/state/hil.db", Keyring.from_file(keys or tmp_path / "state" / "keys"))


def test_upgrade_makes_a_database_and_keys_for_the_owner_alone(run: Run, tmp_path: Path) -> None:
    made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert made == {"hil.db": 0o600, "keys": 0o600}
    assert run("db", "check").stdout == "nothing is wrong with the database\n"
    assert run("db", "upgrade").exit_code == 0


def test_without_a_database_every_command_says_how_to_make_one(empty: Run, tmp_path: Path) -> None:
    for arguments in (("db", "check"), ("user", "list"), ("audit", "verify"), ("plan",), ("pool", "show")):
        result = empty(*arguments)
        remedy = "make it with `hil serve` or `hil-admin db upgrade`."
        told = f"hil-admin: There is no database {tmp_path}/state/hil.db: {remedy}\n"
        assert (result.exit_code, result.stderr) == (1, told)


def test_check_names_every_fault(run: Run, tmp_path: Path) -> None:
    opened = store(tmp_path)
    with opened.engine.begin() as connection:
        connection.execute(delete(Base.metadata.tables["journal_head"]))
        connection.execute(update(Base.metadata.tables["setting"]).values(value="other"))
    opened.close()
    result = run("db", "check")
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.stderr.splitlines()] == ["hil-admin", "hil-admin"]
    assert "journal's head is missing" in result.stderr
    assert "oldest key is not the one" in result.stderr


def test_a_user_is_made_with_a_password_that_never_stands_on_the_command_line(run: Run, tmp_path: Path) -> None:
    assert run("user", "create", "ann", "--operator", text="correct horse\n").stdout == "made operator ann\n"
    assert run("user", "create", "bob", text="battery staple\n").stdout == "made user bob\n"
    opened = store(tmp_path)
    backend = open_backend("database", {}, opened)
    assert backend.authenticate(Credentials(user="ann", password=Secret("correct horse"))).operator
    assert not backend.authenticate(Credentials(user="bob", password=Secret("battery staple"))).operator
    backend.close()
    opened.close()
    assert run("user", "list").stdout.splitlines() == ["NAME  OPERATOR  PROJECTS", "ann   yes", "bob"]
    assert json.loads(run("user", "list", "--json").stdout)[1] == {"name": "bob", "operator": False, "projects": {}}


@pytest.mark.parametrize(
    ("arguments", "text", "words"),
    [
        (("create", "ann"), "other words\n", "User 'ann' exists already."),
        (("create", "cat"), "short\n", "A password has at least 8 characters."),
        (("create", "cat"), "", "No password was given: write it to standard input, or set HIL_ADMIN_PASSWORD."),
        (("create", "c:t"), "long enough\n", "'c:t' is no user name: use ASCII letters"),
        (("password", "dan"), "long enough\n", "There is no user 'dan'."),
    ],
)
def test_what_cannot_be_a_user_is_told(run: Run, arguments: tuple[str, ...], text: str, words: str) -> None:
    run("user", "create", "ann", text="correct horse\n")
    result = run("user", *arguments, text=text)
    assert (result.exit_code, result.stderr.startswith(f"hil-admin: {words}")) == (1, True)


def test_a_lost_password_is_replaced(run: Run, tmp_path: Path) -> None:
    run("user", "create", "ann", "--operator", text="correct horse\n")
    assert run("user", "password", "ann", text="battery staple\n").stdout == "set the password of ann\n"
    opened = store(tmp_path)
    hashed = opened.read(lambda session: session.scalar(select(User.password_hash)))
    assert hashed is not None
    assert opened.passwords.verify(hashed, Secret("battery staple"))
    opened.close()


def test_all_that_is_done_stands_in_the_journal(run: Run) -> None:
    run("pool", "set", "100-109")
    run("user", "create", "ann", text="correct horse\n")
    lines = [json.loads(line) for line in run("audit", "show", "--json").stdout.splitlines()]
    assert [(line["actor"], line["via"], line["action"]) for line in lines] == [
        ("hil-admin", "local", "pool_set"),
        ("hil-admin", "local", "user_create"),
    ]
    assert lines[0]["remote"]
    assert run("audit", "show", "--last", "1").stdout.endswith('user_create user ann after={"operator": false}\n')
    assert run("audit", "show", "--after", "1", "--kind", "pool").stdout == ""
    assert "correct horse" not in run("audit", "show", "--json").stdout


def test_what_a_stranger_wrote_into_the_journal_cannot_play_with_the_terminal(run: Run, tmp_path: Path) -> None:
    run("pool", "set", "100")
    opened = store(tmp_path)
    with opened.engine.begin() as connection:
        connection.execute(update(Base.metadata.tables["journal"]).values(actor="\x1b[2Jann"))
    opened.close()
    assert "\\x1b[2Jann (local)" in run("audit", "show").stdout


def test_verify_proves_the_journal_and_names_the_first_broken_line(run: Run, tmp_path: Path) -> None:
    for ids in ("100", "101", "102"):
        run("pool", "set", ids)
    head = run("audit", "head").stdout.strip()
    assert run("audit", "verify").stdout == f"3 lines, none changed or missing; head {head}\n"
    run("pool", "set", "103")
    assert run("audit", "verify", "--head", head).exit_code == 0
    opened = store(tmp_path)
    with opened.engine.begin() as connection:
        connection.execute(update(Journal).where(Journal.seq == 2).values(actor="somebody"))
    opened.close()
    result = run("audit", "verify")
    assert (result.exit_code, result.stderr) == (1, "hil-admin: line 2 does not carry the seal of what it says\n")


@pytest.mark.parametrize(
    ("head", "words"),
    [("2:00", "line 2 is not the one whose seal was kept"), ("9:00", "line 9 is not"), ("x", "--head takes what")],
)
def test_a_journal_that_was_written_anew_does_not_match_a_kept_head(run: Run, head: str, words: str) -> None:
    for ids in ("100", "101"):
        run("pool", "set", ids)
    result = run("audit", "verify", "--head", head)
    assert (result.exit_code, words in result.stderr) == (1, True)


def test_the_pool_is_shown_and_set(run: Run) -> None:
    assert run("pool", "set", "100-102,200").stdout == "the pool is 100-102,200\n"
    assert json.loads(run("pool", "show", "--json").stdout)["free"] == "100-102,200"
    assert "used      none" in run("pool", "show").stdout
    assert run("pool", "set", "").stdout == "the pool is empty\n"
    assert "no VLAN id" in run("pool", "set", "9999").stderr


def test_the_plan_shows_what_would_be_sent(run: Run, tmp_path: Path) -> None:
    assert run("plan").stdout == "nothing is pending\n"
    (tmp_path / "site.yaml").write_text(SITE)
    run("inventory", "apply", "--yes", str(tmp_path / "site.yaml"))
    text = run("plan").stdout
    assert text.splitlines()[:2] == ["leaf1 (mock)", "  gi1/0/1: never read -> native none, tagged none"]
    assert "hunter" not in text
    (switch,) = json.loads(run("plan", "--json").stdout)
    assert (switch["switch"], len(switch["ports"]), switch["error"]) == ("leaf1", 2, "")


def test_an_inventory_is_shown_applied_and_exported(run: Run, tmp_path: Path) -> None:
    site, copy = str(tmp_path / "site.yaml"), str(tmp_path / "copy.yaml")
    Path(site).write_text(SITE)
    shown = run("inventory", "diff", site)
    assert (shown.exit_code, shown.stdout.splitlines()[-1]) == (0, "10 to add, 1 to change")
    assert run("inventory", "diff", "--exit-code", site).exit_code == 1
    unasked = run("inventory", "apply", site)
    assert (unasked.exit_code, unasked.stderr) == (
        1,
        "hil-admin: Nobody can be asked here: give --yes to apply this.\n",
    )
    assert run("inventory", "apply", "--yes", site).stdout.endswith("done\n")
    assert run("inventory", "apply", site).stdout == "no difference\n"
    run("inventory", "export", copy)
    assert run("inventory", "diff", "--prune", "--exit-code", copy).stdout == "no difference\n"
    assert run("inventory", "export", "-").stdout == Path(copy).read_text()
    less = tmp_path / "less.yaml"
    less.write_text("nodes: {}\n")
    assert run("inventory", "diff", str(less)).stdout == (
        "no difference\n2 more that the file does not mention stay: --prune removes them\n"
    )
    assert run("inventory", "apply", "--prune", "--yes", str(less)).exit_code == 0


def test_without_the_key_the_inventory_can_still_be_had(run: Run, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    run("inventory", "apply", "--yes", str(tmp_path / "site.yaml"))
    keys = tmp_path / "state" / "keys"
    keys.unlink()
    assert "restore it from the backup" in run("user", "list").stderr
    run("key", "new", str(keys))
    assert "oldest key is not the one" in run("user", "list").stderr
    exported = run("inventory", "export", "-")
    assert (exported.exit_code, "node-01" in exported.stdout) == (0, True)


def test_a_question_is_asked_on_a_terminal(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site.yaml").write_text("nodes: {n: {}}\n")
    monkeypatch.setattr(command, "_on_terminal", lambda: True)
    assert run("inventory", "apply", str(tmp_path / "site.yaml"), text="n\n").exit_code == 1
    assert run("inventory", "apply", str(tmp_path / "site.yaml"), text="y\n").stdout.endswith("done\n")


def test_keys_are_rotated_without_losing_a_secret_or_the_seals(run: Run, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    run("inventory", "apply", "--yes", str(tmp_path / "site.yaml"))
    keys = tmp_path / "state" / "keys"
    old = keys.read_text()
    assert run("key", "new", "--add", str(keys)).stdout == f"a new key stands first in {keys}\n"
    new = keys.read_text().removesuffix(old)
    assert len(new.splitlines()) == 1
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    opened = store(tmp_path)
    opened.change(
        lambda unit: unit.session.add(
            Idempotency(actor="ann", key="k", fingerprint="", status=200, body="x", created_at=0)
        )
    )
    opened.close()
    done = run("key", "rotate")
    assert done.stdout == "re-encrypted 2 secrets under the newest key; keep the first and the last key of the file\n"
    assert run("audit", "verify").exit_code == 0
    opened = store(tmp_path)
    sealed = opened.read(lambda session: session.scalar(select(Switch.secrets)))
    assert opened.read(lambda session: session.scalar(select(Idempotency.key))) is None
    opened.close()
    only_new = Keyring([Secret(new.strip())])
    assert only_new.open_up(sealed) == {"password": "hunter2"}
    with pytest.raises(Unavailable):
        Keyring([Secret(old.strip())]).open_up(sealed)


def test_every_binary_column_is_one_that_a_rotation_knows_how_to_renew() -> None:
    found = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert found == {"node.obmd_admin_token", "node.obm_token", "setting.sealed", "switch.secrets"}


def test_a_key_is_made_for_its_owner_and_never_over_another(empty: Run, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    assert empty("key", "new", str(path)).stdout == f"made {path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    assert "exists: put a new key in front of those in it with --add" in empty("key", "new", str(path)).stderr
    assert path.read_text() == before
    Keyring([Secret(empty("key", "new").stdout.strip())])


def test_faults_of_the_configuration_are_told_line_by_line(empty: Run, tmp_path: Path) -> None:
    path = tmp_path / "hil.toml"
    path.write_text('[log]\nlevel = "loud"\n[server]\nlitsen = "x"\n')
    result = CliRunner().invoke(admin, ["--config", str(path), "db", "check"])
    assert result.exit_code == 1
    assert [line.split(": ")[:3] for line in result.stderr.splitlines()] == [
        ["hil-admin", str(path), "[server] litsen"],
        ["hil-admin", str(path), "[log] level"],
    ]


def test_every_command_can_be_asked_for_help_and_its_line_is_true(empty: Run) -> None:
    with click.Context(admin, obj=Here(None, None)) as context:
        for name in LAZY:
            noun = admin.get_command(context, name)
            assert noun is not None
            shown = empty(name, "--help")
            assert shown.exit_code == 0
            for inner in noun.list_commands(context) if isinstance(noun, click.Group) else ():
                text = empty(name, inner, "--help").stdout
                assert f"{name} {inner}" in text.split("Example", 1)[1]
    assert set(NOUNS) <= set(LAZY)


def test_switch_secrets_are_kept_where_only_the_key_opens_them(run: Run, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    run("inventory", "apply", "--yes", str(tmp_path / "site.yaml"))
    assert b"hunter2" not in (tmp_path / "state" / "hil.db").read_bytes()
    opened = store(tmp_path)
    found = compose.local(opened, "test", lambda ctx: switch_config(ctx, ctx.session.scalars(select(Switch)).one()))
    assert found["password"] == "hunter2"
    opened.close()
