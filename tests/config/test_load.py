"""Configuration: what a file and variables mean, and that every fault names where it is, what it is and what to do."""

import dataclasses
from pathlib import Path

import pytest

from hil.config import Config, load
from hil.config.load import settings
from hil.config.model import Section, host_port
from hil.core.errors import BadArgument
from hil.core.limits import Limits
from hil.core.secret import Secret


def read(tmp_path: Path, text: str = "", mode: int = 0o600, **variables: str) -> Config:
    path = tmp_path / "hil.toml"
    path.write_text(text)
    path.chmod(mode)
    return load(path, variables)


def faults(tmp_path: Path, text: str = "", mode: int = 0o600, **variables: str) -> list[str]:
    with pytest.raises(BadArgument) as caught:
        read(tmp_path, text, mode, **variables)
    return caught.value.message.replace(str(tmp_path), "DIR").splitlines()


def test_nothing_configured_means_the_defaults(tmp_path: Path) -> None:
    assert read(tmp_path) == Config()
    assert Config().limits() == Limits()
    assert Config().server.listen == "127.0.0.1:5000"


def test_a_file_is_read(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        [server]
        listen = "[::1]:8000"
        trusted_proxies = ["10.0.0.7", "10.1.0.0/16"]
        [database]
        url = "postgresql://hil@db/hil"
        pool = 30
        [auth]
        backend = "database"
        cache_size = 7
        [worker]
        lease = 30
        [release]
        cleaning_url = "https://clean.example.org/hook/"
        """,
    )
    assert config.server.listen == "[::1]:8000"
    assert config.server.trusted_proxies == ("10.0.0.7", "10.1.0.0/16")
    assert config.database.url == Secret("postgresql://hil@db/hil")
    assert config.auth.options == {"cache_size": 7}
    assert config.limits() == Limits(lease=30.0, cleaning_url="https://clean.example.org/hook")


def test_variables_stand_above_the_file(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        '[server]\nlisten = "127.0.0.1:1"\n[worker]\nbatch = 1\n',
        HIL_LISTEN="127.0.0.1:2",
        HIL_WORKER__BATCH="2",
        HIL_DATABASE_URL="sqlite:////tmp/x.db",
        HIL_SERVER__TRUSTED_PROXIES='["10.0.0.7"]',
        HIL_RELEASE__POWER_OFF="true",
        HIL_AUTH__CACHE_SIZE="9",
        HIL_VLAN__POOL="100",
        HIL_WORKER__NAME="7",
        HIL_KEYS="a b",
        HIL_KEY_FILE="/etc/hil/keys",
    )
    assert (config.server.listen, config.worker.batch, config.worker.name) == ("127.0.0.1:2", 2, "7")
    assert config.database.url == Secret("sqlite:////tmp/x.db")
    assert config.server.trusted_proxies == ("10.0.0.7",)
    assert config.release.power_off
    assert config.auth.options == {"cache_size": 9}
    assert config.vlan.pool == "100"
    assert (config.secrets.keys, config.secrets.key_file) == (Secret("a b"), Path("/etc/hil/keys"))


def test_variables_of_others_and_empty_ones_are_left_alone(tmp_path: Path) -> None:
    variables = {"HIL_ENDPOINT": "x", "HIL_PASSWORD": "x", "HIL_LISTEN": "", "PATH": "/bin", "HIL_ADMIN_PASSWORD": "x"}
    assert read(tmp_path, **variables) == Config()


def test_the_file_is_named_by_option_then_variable(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f'[worker]\nname = "{name}"\n')
    named = {"HIL_CONFIG": str(tmp_path / "b")}
    assert load(tmp_path / "a", named).worker.name == "a"
    assert load(None, named).worker.name == "b"


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    for name in ("url", "word"):
        (tmp_path / name).write_text(f"secret {name}\n")
        (tmp_path / name).chmod(0o600)
    database = f'[database]\nurl_file = "{tmp_path}/url"\n'
    text = f'{database}[auth]\nadmin_password_file = "{tmp_path}/word"\nca_file = "/etc/ca.pem"\n'
    config = read(tmp_path, text, 0o644)
    assert config.database.url == Secret("secret url")
    assert config.auth.options == {"admin_password": "secret word", "ca_file": "/etc/ca.pem"}
    assert read(tmp_path, HIL_DATABASE__URL_FILE=f"{tmp_path}/url").database.url == Secret("secret url")


def test_secrets_do_not_print(tmp_path: Path) -> None:
    config = read(tmp_path, HIL_DATABASE_URL="postgresql://hil:hunter2@db/hil", HIL_KEYS="hunter3")
    assert "hunter" not in repr(config)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("listen = 1\n", "DIR/hil.toml: listen: stands outside of a section: write it below its [section]."),
        (
            "[server]\nlisten = 5000\n",
            "DIR/hil.toml: [server] listen: write text in quotes",
        ),
        (
            '[server]\nlisten = "localhost"\n',
            "DIR/hil.toml: [server] listen: write host:port, as in 127.0.0.1:5000",
        ),
        (
            '[server]\nlisten = "::1:5000"\n',
            "DIR/hil.toml: [server] listen: write an IPv6 address in brackets, as in [::1]:5000",
        ),
        ('[server]\nlitsen = "x"\n', "DIR/hil.toml: [server] litsen: there is no such setting: did you mean listen?"),
        (
            "[log]\ncolour = true\n",
            "DIR/hil.toml: [log] colour: there is no such setting: use level, format",
        ),
        ("[wroker]\nbatch = 1\n", "DIR/hil.toml: [wroker]: there is no such section: did you mean worker?"),
        ('[server]\npublic_url = "hil"\n', "public_url: write a URL that begins with http:// or https://"),
        ('[server]\ntrusted_proxies = "x"\n', 'trusted_proxies: write a list, as in ["10.0.0.7"]'),
        (
            '[server]\ntrusted_proxies = ["proxy"]\n',
            "trusted_proxies: write addresses or networks, as in 10.0.0.7 or 10.0.0.0/24",
        ),
        ("[database]\npool = 0\n", "[database] pool: write a number of at least 1"),
        ('[database]\npool = "10"\n', "[database] pool: write a whole number"),
        ("[database]\nurl = 1\n", "[database] url: write text in quotes"),
        ("[release]\npower_off = 1\n", "[release] power_off: write true or false"),
        ('[vlan]\npool = "100-5000"\n', "[vlan] pool: '5000' is no VLAN id: give a number from 1 to 4094"),
        ('[log]\nlevel = "loud"\n', "[log] level: write one of 'debug', 'info', 'warning' or 'error'"),
        ("[worker]\ntick = 0\n", "[worker] tick: write a number greater than 0"),
        ("[worker]\nlease = 2\nlease_margin = 3\n", "[worker]: lease_margin must be smaller than lease"),
        ('[release]\nmaintenance_url = "http://x"\n', "[release]: maintenance_url is called for nodes of maintenance_"),
        ('[release]\nmaintenance_project = "all"\n', "maintenance_project: The name 'all' has a meaning of its own"),
        ('[secrets]\nkey_file = ["x"]\n', "[secrets] key_file: write a path in quotes"),
        ("[server\n", "DIR/hil.toml: is no TOML: "),
        (
            '[database]\nurl_file = "/nonexistent"\n',
            "url_file: /nonexistent cannot be read (No such file or directory)",
        ),
        ("[database]\nurl_file = 1\n", "url_file: write a path in quotes"),
        (
            '[database]\nurl = "x"\nurl_file = "y"\n',
            "[database] url_file: url is given too, by DIR/hil.toml: remove one of them",
        ),
    ],
)
def test_a_fault_names_file_key_and_remedy(tmp_path: Path, text: str, words: str) -> None:
    (found,) = faults(tmp_path, text)
    assert words in found


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HIL_WORKER__BATCH", "many", "HIL_WORKER__BATCH: [worker] batch: write a whole number"),
        ("HIL_LISTEN", "x", "HIL_LISTEN: [server] listen: write host:port"),
        ("HIL_SERVER__LITSEN", "x", "HIL_SERVER__LITSEN: [server] litsen: there is no such setting: did you mean"),
        ("HIL_WROKER__BATCH", "1", "HIL_WROKER__BATCH: there is no section 'wroker': use HIL_SECTION__KEY with one of"),
    ],
)
def test_a_fault_of_a_variable_names_the_variable(tmp_path: Path, name: str, value: str, words: str) -> None:
    (found,) = faults(tmp_path, **{name: value})
    assert found.startswith(words)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    found = faults(tmp_path, '[log]\nlevel = "loud"\n[server]\nlitsen = "x"\n', HIL_WORKER__BATCH="x")
    assert len(found) == 3


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=r"nothing.toml: cannot be read \(No such file"):
        load(tmp_path / "nothing.toml", {})


@pytest.mark.parametrize(
    "text",
    [
        '[database]\nurl = "postgresql://hil:hunter2@db/hil"\n',
        '[secrets]\nkeys = "hunter2"\n',
        '[auth]\nadmin_password = "hunter2"\n',
    ],
)
def test_a_file_with_a_secret_is_for_its_owner_and_group_alone(tmp_path: Path, text: str) -> None:
    (found,) = faults(tmp_path, text, 0o644)
    assert "is a secret, and others may use the file: run `chmod o= DIR/hil.toml`" in found
    assert "hunter2" not in found
    read(tmp_path, text, 0o640)


@pytest.mark.parametrize("text", ['[database]\nurl = "postgresql://hil@db/hil"\n', '[log]\nlevel = "info"\n'])
def test_a_file_without_a_secret_may_be_read_by_all(tmp_path: Path, text: str) -> None:
    read(tmp_path, text, 0o644)


@pytest.mark.parametrize(
    ("mode", "content", "words"),
    [(0o604, "x", "others may use DIR/url: run `chmod o= DIR/url`"), (0o600, "\n", "is empty: write the secret into")],
)
def test_a_file_of_one_secret_is_checked(tmp_path: Path, mode: int, content: str, words: str) -> None:
    (tmp_path / "url").write_text(content)
    (tmp_path / "url").chmod(mode)
    (found,) = faults(tmp_path, f'[database]\nurl_file = "{tmp_path}/url"\n')
    assert words in found


def test_no_message_holds_a_value(tmp_path: Path) -> None:
    text = '[server]\nlisten = "hunter2"\n[log]\nlevel = "hunter2"\n[worker]\nbatch = "hunter2"\n'
    assert not any("hunter2" in fault for fault in faults(tmp_path, text, HIL_RELEASE__CLEANING_URL="hunter2"))


def test_every_limit_of_the_core_can_be_set() -> None:
    given = Config.model_validate(
        {
            "worker": {
                field.name: 50
                for field in dataclasses.fields(Limits)
                if field.type in ("float", "int") and field.name not in ("release_deadline", "lease_margin")
            }
            | {"lease_margin": 7},
            "release": {
                "deadline": 50,
                "cleaning_url": "http://a",
                "power_off": True,
                "maintenance_project": "p",
                "maintenance_url": "http://b",
            },
            "v0": {"obmd_ca_file": "/etc/ssl/obmd.pem"},
        }
    )
    untouched = [f.name for f in dataclasses.fields(Limits) if getattr(given.limits(), f.name) == f.default]
    assert untouched == []


def test_every_setting_says_what_it_is() -> None:
    def silent(name: str, section: type[Section]) -> list[str]:
        return [f"{name}.{key}" for key, known in section.model_fields.items() if not known.description]

    assert [missing for name, section in settings() for missing in silent(name, section)] == []


@pytest.mark.parametrize("text", ["", ":", ":5", "a:", "a:70000", "a:x", "a:-1", "1:2:3", "a:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        host_port(text)
