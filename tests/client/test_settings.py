"""Where HIL is and who is asking: the environment, the profile file, and what may not be mixed."""

import os
from pathlib import Path

import pytest

from hil.client import Client, Settings, SettingsError
from hil.client.profile import Profile, profile_load, profile_path, profile_save

PROFILE = """\
# mine
[default]
endpoint = "https://hil.example.org"
token = "hil_kept"
project = "blue"

[lab]  # the one in the basement
endpoint = "http://127.0.0.1:5001/"
username = "alice"
password = "s3cr3t"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "hil" / "config.toml"
    path.parent.mkdir()
    path.write_text(PROFILE)
    path.chmod(0o600)
    return path


def read(tmp_path: Path, *, endpoint: str | None = None, profile: str | None = None, **variables: str) -> Settings:
    environ = {"XDG_CONFIG_HOME": str(tmp_path), **{f"HIL_{name}": value for name, value in variables.items()}}
    return Settings.from_env(environ, endpoint=endpoint, profile=profile)


def test_without_anything_it_is_the_machine_itself_and_nobody(tmp_path: Path) -> None:
    assert read(tmp_path) == Settings(endpoint="http://127.0.0.1:5000")


def test_the_default_profile_is_used_where_the_environment_says_nothing(tmp_path: Path, config: Path) -> None:
    found = read(tmp_path)
    assert (found.endpoint, found.token, found.project) == ("https://hil.example.org", "hil_kept", "blue")


def test_a_profile_is_chosen_by_argument_before_the_environment(tmp_path: Path, config: Path) -> None:
    assert read(tmp_path, PROFILE="lab").username == "alice"
    assert read(tmp_path, PROFILE="default", profile="lab").endpoint == "http://127.0.0.1:5001"


def test_a_profile_that_is_asked_for_must_exist(tmp_path: Path, config: Path) -> None:
    for name in ("absent", "default"):
        config.write_text("[lab]\n")
        with pytest.raises(SettingsError, match=f"no profile '{name}'"):
            read(tmp_path, PROFILE=name)


def test_arguments_go_before_the_environment_and_that_before_the_profile(tmp_path: Path, config: Path) -> None:
    assert read(tmp_path, ENDPOINT="http://a").endpoint == "http://a"
    assert read(tmp_path, ENDPOINT="http://a", endpoint="http://b").endpoint == "http://b"
    assert read(tmp_path, PROJECT="red").project == "red"


def test_credentials_are_never_mixed_from_two_places(tmp_path: Path, config: Path) -> None:
    found = read(tmp_path, USERNAME="bob")
    assert (found.username, found.password, found.token) == ("bob", "", "")
    assert found.lacks_password
    found = read(tmp_path, PROFILE="lab", TOKEN="hil_x")
    assert (found.username, found.password, found.token) == ("", "", "hil_x")


def test_a_profiles_credentials_go_to_its_own_endpoint_only(tmp_path: Path, config: Path) -> None:
    elsewhere = read(tmp_path, ENDPOINT="https://hil.example.net")
    assert (elsewhere.token, elsewhere.username) == ("", "")
    assert read(tmp_path, ENDPOINT="https://hil.example.org/").token == "hil_kept"


def test_empty_variables_are_no_variables(tmp_path: Path, config: Path) -> None:
    found = read(tmp_path, ENDPOINT="", TOKEN="", USERNAME="", PASSWORD="", PROFILE="", CA_FILE="", PROJECT="")
    assert found == read(tmp_path)


def test_a_password_without_a_user_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HIL_USERNAME is not"):
        read(tmp_path, PASSWORD="x")


def test_a_user_without_a_password_cannot_connect() -> None:
    with pytest.raises(SettingsError, match="no password for user 'bob'"):
        Client("http://h", username="bob")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602])
def test_a_file_with_a_secret_that_others_may_read_is_refused(tmp_path: Path, config: Path, mode: int) -> None:
    config.chmod(mode)
    with pytest.raises(SettingsError, match="others may read it") as caught:
        read(tmp_path)
    assert caught.value.hint == f"chmod 600 {config}"


def test_a_file_without_a_secret_may_be_read_by_all(tmp_path: Path, config: Path) -> None:
    config.write_text('[default]\nendpoint = "http://h"\n')
    config.chmod(0o644)
    assert read(tmp_path).endpoint == "http://h"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[default", "is no TOML"),
        ("default = 3\n", "default is no table"),
        ("[default]\nendpont = 'x'\n", "unknown key 'endpont'"),
        ("[default]\nendpoint = 5\n", "endpoint is no text"),
        ("[default]\nendpoint = 'ftp://x'\n", "'ftp://x' is no endpoint"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, config: Path, text: str, words: str) -> None:
    config.write_text(text)
    with pytest.raises(SettingsError, match=words):
        read(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "hil" / "config.toml").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"cannot read .*config.toml"):
        read(tmp_path)


@pytest.mark.parametrize(
    "endpoint",
    [
        "hil.example.org",
        "ftp://h",
        "http://",
        "http://h:99999",
        "http://h/?a=b",
        "http://h#f",
        "http://[::1",
        "http:///v1",
    ],
)
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(SettingsError, match="endpoint"):
        Settings(endpoint=endpoint)


def test_credentials_in_an_endpoint_are_refused_without_repeating_them() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(endpoint="http://alice:s3cr3t@h")
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("token", ["a\nb", "hil_é", "a b\r"])
def test_a_garbled_token_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(token=token)
    assert token not in str(caught.value)


def test_the_file_stands_where_the_base_directory_specification_says() -> None:
    assert profile_path({"HOME": "/home/a"}) == Path("/home/a/.config/hil/config.toml")
    assert profile_path({"HOME": "/home/a", "XDG_CONFIG_HOME": "/etc/x"}) == Path("/etc/x/hil/config.toml")
    assert profile_path({"HOME": "/home/a", "XDG_CONFIG_HOME": "relative"}) == Path("/home/a/.config/hil/config.toml")
    assert profile_path({"XDG_CONFIG_HOME": "/etc/x", "HIL_PROFILE_FILE": "/p.toml"}) == Path("/p.toml")


def test_a_written_profile_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "hil" / "config.toml"
    kept = Profile(endpoint="http://h", username='a"\\\u00e9', token="hil_x", key="k1")
    os.umask(os.umask(0o777))
    profile_save(path, "default", kept)
    assert profile_load(path, "default") == kept
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert [entry.name for entry in path.parent.iterdir()] == ["config.toml"]


def test_writing_one_profile_leaves_the_rest_as_it_was(config: Path) -> None:
    profile_save(config, "default", Profile(endpoint="http://h", token="hil_new"))
    text = config.read_text()
    assert text.startswith('# mine\n[default]\nendpoint = "http://h"\ntoken = "hil_new"\n\n[lab]  # the one in the')
    assert profile_load(config, "lab") == Profile(
        endpoint="http://127.0.0.1:5001/", username="alice", password="s3cr3t"
    )
    profile_save(config, "third", Profile(endpoint="http://t"))
    assert config.read_text() == text + '\n[third]\nendpoint = "http://t"\n'


def test_a_profile_is_removed(config: Path) -> None:
    profile_save(config, "default", None)
    assert profile_load(config, "default") is None
    assert profile_load(config, "lab") is not None
    assert config.read_text().startswith("# mine\n[lab]")


def test_a_file_that_cannot_be_changed_safely_is_left_alone(config: Path) -> None:
    text = 'default.token = "hil_x"\n'
    config.write_text(text)
    with pytest.raises(SettingsError):
        profile_save(config, "default", Profile(endpoint="http://h"))
    assert config.read_text() == text


def test_a_link_to_the_file_stays_a_link(config: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(config)
    profile_save(link, "lab", None)
    assert link.is_symlink()
    assert profile_load(config, "lab") is None


@pytest.mark.parametrize("name", ["", "a b", "x]", "é", "a" * 65])
def test_a_name_that_could_not_stand_in_the_file_is_refused(config: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="is no profile name"):
        profile_save(config, name, Profile())


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    for name, text in (("absent.pem", None), ("empty.pem", "")):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        with pytest.raises(SettingsError, match=f"cannot use the CA file .*{name}"):
            Client("https://h", ca_file=str(path))
