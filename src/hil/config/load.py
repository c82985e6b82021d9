"""Reads the configuration: the file, then `HIL_*` variables over it, then the models.

A variable is `HIL_SECTION__KEY`, or one of four shorter names. A secret may stand in a file of its own: `url_file` in
place of `url`. No message ever holds a value: any of them may be a password.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hil.config.model import SHORT, Config, Section
from hil.core.errors import BadArgument
from hil.core.secret import Secret

DEFAULT: Final = Path("/etc/hil/hil.toml")
_OTHERS: Final = 0o007
_SECRET_WORDS: Final = ("password", "secret", "token")
Key = tuple[str, str]


@dataclass
class _Draft:
    """Settings as they come in, where each came from, and what is wrong with them."""

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[Key, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def put(self, key: Key, value: Any, origin: str) -> None:
        self.tables.setdefault(key[0], {})[key[1]] = value
        self.origins[key] = origin

    def fault(self, key: Key, words: str) -> None:
        self.faults.append(f"{self.origins.get(key, 'configuration')}: [{key[0]}] {key[1]}: {words}")


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read `path`, or the file that HIL_CONFIG names, or /etc/hil/hil.toml if there is one. Raises BadArgument.

    The message has one line for each fault: where, which key, what to write.
    """
    draft = _Draft()
    chosen = _chosen(path, environ)
    if chosen is not None:
        _read_file(draft, chosen)
    _read_variables(draft, environ)
    _read_secret_files(draft)
    if not draft.faults:
        try:
            return Config.model_validate(draft.tables)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_context=True, include_input=False):
                _explain(draft, detail)
    raise BadArgument("\n".join(draft.faults))


def _chosen(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if named := environ.get("HIL_CONFIG"):
        return Path(named)
    return DEFAULT if DEFAULT.exists() else None


def _read_file(draft: _Draft, path: Path) -> None:
    try:
        mode = path.stat().st_mode
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        raise BadArgument(f"{path}: cannot be read ({error.strerror}): name another with --config.") from error
    except UnicodeDecodeError as error:
        raise BadArgument(f"{path}: is no text in UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadArgument(f"{path}: is no TOML: {error}.") from error
    for section, table in tables.items():
        if not isinstance(table, dict):
            draft.faults.append(f"{path}: {section}: stands outside of a section: write it below its [section].")
            continue
        draft.tables.setdefault(section, {})
        for name, value in table.items():
            draft.put((section, name), value, str(path))
            if mode & _OTHERS and _is_secret((section, name), value):
                draft.fault((section, name), f"is a secret, and others may use the file: run `chmod o= {path}`")


def _is_secret(key: Key, value: Any) -> bool:
    """Say whether a value must be kept from others; a database URL is one as soon as it holds a password."""
    if key == ("database", "url"):
        return isinstance(value, str) and "@" in value and ":" in value.rpartition("@")[0].partition("://")[2]
    if key[0] == "auth":
        return isinstance(value, str) and not key[1].endswith("_file") and _sounds_secret(key[1])
    known = _field(key)
    return known is not None and known.annotation is Secret


def _read_variables(draft: _Draft, environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if not name.startswith("HIL_") or not environ[name] or (name not in SHORT and "__" not in name):
            continue
        section, _, word = name.removeprefix("HIL_").lower().partition("__")
        key = SHORT.get(name, (section, word))
        draft.put(key, _typed(key, environ[name]), name)
        if section not in Config.model_fields and name not in SHORT:
            sections = ", ".join(Config.model_fields)
            draft.faults.append(f"{name}: there is no section {section!a}: use HIL_SECTION__KEY with one of {sections}")


def _typed(key: Key, text: str) -> Any:
    """Read a variable as the TOML value that its setting takes; text needs no quotes."""
    known = _field(key)
    if known is not None and (_takes(known, str) or _takes(known, Secret) or _takes(known, Path)):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _takes(known: FieldInfo, kind: type) -> bool:
    return known.annotation is kind or kind in get_args(known.annotation)


def _field(key: Key) -> FieldInfo | None:
    section = _section(key[0])
    return None if section is None else section.model_fields.get(key[1])


def _section(name: str) -> type[Section] | None:
    known = Config.model_fields.get(name)
    kind = None if known is None else known.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _read_secret_files(draft: _Draft) -> None:
    """Put the content of `x_file` in the place of `x`, where `x` is a secret."""
    for (section, name), origin in sorted(draft.origins.items()):
        base = (section, name.removesuffix("_file"))
        if name == base[1] or _field((section, name)) is not None or not _may_be_filed(base):
            continue
        path = draft.tables[section].pop(name)
        if base in draft.origins:
            draft.fault((section, name), f"{base[1]} is given too, by {draft.origins[base]}: remove one of them")
        elif isinstance(path, str):
            _read_secret(draft, (section, name), base, Path(path), origin)
        else:
            draft.fault((section, name), "write a path in quotes")


def _may_be_filed(key: Key) -> bool:
    known = _field(key)
    return _sounds_secret(key[1]) if key[0] == "auth" else known is not None and known.annotation is Secret


def _sounds_secret(name: str) -> bool:
    """What an authentication backend calls its settings is all that is known of them here."""
    return any(word in name for word in _SECRET_WORDS)


def _read_secret(draft: _Draft, key: Key, base: Key, path: Path, origin: str) -> None:
    try:
        if path.stat().st_mode & _OTHERS:
            return draft.fault(key, f"others may use {path}: run `chmod o= {path}`")
        text = path.read_text().rstrip("\r\n")
    except OSError as error:
        return draft.fault(key, f"{path} cannot be read ({error.strerror}): name a file that holds the secret")
    except UnicodeDecodeError:
        return draft.fault(key, f"{path} is no text in UTF-8")
    if not text:
        return draft.fault(key, f"{path} is empty: write the secret into it")
    draft.put(base, text, f"{origin} ({path})")


def _explain(draft: _Draft, detail: ErrorDetails) -> None:
    section, *rest = (str(part) for part in detail["loc"])
    model = _section(section)
    if model is None:
        origin = next((draft.origins[key] for key in draft.origins if key[0] == section), "configuration")
        draft.faults.append(f"{origin}: [{section}]: there is no such section{_near(section, Config)}")
    elif not rest:
        origins = {draft.origins[key]: None for key in draft.origins if key[0] == section}
        draft.faults.append(f"{', '.join(origins) or 'configuration'}: [{section}]: {_remedy(detail)}")
    elif detail["type"] == "extra_forbidden":
        draft.fault((section, rest[0]), f"there is no such setting{_near(rest[0], model)}")
    else:
        draft.fault((section, rest[0]), _remedy(detail))


def _near(word: str, model: type[Section]) -> str:
    close = difflib.get_close_matches(word, model.model_fields, n=1)
    return f": did you mean {close[0]}?" if close else f": use {', '.join(model.model_fields)}"


_WORDS: Final = {
    "string_type": "write text in quotes",
    "int_type": "write a whole number",
    "float_type": "write a number",
    "bool_type": "write true or false",
    "path_type": "write a path in quotes",
    "tuple_type": 'write a list, as in ["10.0.0.7"]',
    "literal_error": "write one of {expected}",
    "greater_than": "write a number greater than {gt}",
    "greater_than_equal": "write a number of at least {ge}",
    "less_than_equal": "write a number of at most {le}",
    "string_too_long": "write at most {max_length} characters",
}


def _remedy(detail: ErrorDetails) -> str:
    known = _WORDS.get(detail["type"])
    return known.format(**detail.get("ctx", {})) if known else detail["msg"].removeprefix("Value error, ")


def settings() -> Iterator[tuple[str, type[Section]]]:
    """Every section by name, in the order of the file."""
    for name in Config.model_fields:
        section = _section(name)
        assert section is not None
        yield name, section
