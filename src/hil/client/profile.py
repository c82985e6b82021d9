"""The profile file: where HIL is and how to log in, kept per name for one person.

The file that `HIL_PROFILE_FILE` names, else `$XDG_CONFIG_HOME/hil/config.toml`, else `~/.config/hil/config.toml`, with
one table per profile:

    [default]
    endpoint = "https://hil.example.org"
    token = "…"

A file that holds a secret and that others may read is refused, not warned about: who has the token has the machines.
Writing changes one table and leaves the rest of the file, comments included, as it was.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hil.client.errors import SettingsError

DEFAULT = "default"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One table of the file. `key` is the public id of the API key whose token this is; `project` is the usual one."""

    endpoint: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    key: str = ""
    ca_file: str = ""
    project: str = ""


def profile_path(environ: Mapping[str, str]) -> Path:
    """Where the file is, whether or not it exists (XDG Base Directory Specification: a relative base is ignored)."""
    if named := environ.get("HIL_PROFILE_FILE"):
        return Path(named)
    base = environ.get("XDG_CONFIG_HOME", "")
    home = environ.get("HOME") or os.path.expanduser("~")
    return (Path(base) if base.startswith("/") else Path(home, ".config")) / "hil" / "config.toml"


def profile_load(path: Path, name: str) -> Profile | None:
    """Read one profile; None if the file or the table is missing. Raises SettingsError."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {_why(error)}") from error
    tables = _parse(path, text)
    if _holds_secret(tables) and stat.S_IMODE(mode) & 0o077:
        raise SettingsError(f"{path} holds a secret and others may read it", hint=f"chmod 600 {path}")
    return _profile(path, name, tables[name]) if name in tables else None


def profile_save(path: Path, name: str, profile: Profile | None) -> None:
    """Write one profile, or with None remove it; whole or not at all. Raises SettingsError."""
    if not NAME.fullmatch(name):
        raise SettingsError(f"{name!r} is no profile name", hint="use letters, digits, - and _")
    path = path.resolve()  # a link to a file kept elsewhere stays one
    try:
        old = path.read_text() if path.exists() else ""
        text = _replaced(old, name, profile)
        wanted = {**_parse(path, old), name: {} if profile is None else _filled(profile)}
        if profile is None:
            del wanted[name]
        if _parse(path, text) != wanted:
            raise SettingsError(f"{path} is written in a way that cannot be changed safely", hint="edit it by hand")
        _write(path, text)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot write {path}: {_why(error)}") from error


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8"


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is no TOML: {error}") from error


def _holds_secret(tables: Mapping[str, Any]) -> bool:
    return any(isinstance(table, dict) and {"token", "password"} & table.keys() for table in tables.values())


def _profile(path: Path, name: str, table: Any) -> Profile:
    known = {entry.name for entry in fields(Profile)}
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: {name} is no table", hint=f"a profile starts with [{name}]")
    for key, value in table.items():
        if key not in known:
            raise SettingsError(f"{path}: [{name}] has an unknown key {key!r}", hint=f"use {', '.join(sorted(known))}")
        if not isinstance(value, str):
            raise SettingsError(f"{path}: [{name}] {key} is no text", hint="put it in quotes")
    return Profile(**table)


def _filled(profile: Profile) -> dict[str, str]:
    pairs = ((entry.name, getattr(profile, entry.name)) for entry in fields(profile))
    return {key: value for key, value in pairs if value}


def _replaced(text: str, name: str, profile: Profile | None) -> str:
    """Put the profile's table where the old one stood, or at the end."""
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if line.lstrip().startswith("[")]
    own = [number for number in heads if re.fullmatch(rf"\s*\[\s*{name}\s*\]\s*(#.*)?", lines[number])]
    start = own[0] if own else len(lines)
    end = next((number for number in heads if number > start), len(lines)) if own else start
    # JSON's string escapes are TOML's basic strings as well (TOML 1.0, "String"), given only ASCII.
    table = [] if profile is None else [f"[{name}]", *(f"{k} = {json.dumps(v)}" for k, v in _filled(profile).items())]
    before, after = lines[:start], lines[end:]
    if table and not own and before and before[-1].strip():
        before.append("")
    if table and after:
        table.append("")
    return "".join(line + "\n" for line in (*before, *table, *after))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".config-")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
