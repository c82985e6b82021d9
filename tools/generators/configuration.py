"""The page of settings, from the models that check them."""

import re
from pathlib import Path

from pydantic.fields import FieldInfo

from hil.config.load import settings
from hil.config.model import SHORT, Section
from hil.core.secret import Secret

OUTPUT = "docs/operators/configuration.md"

HEAD = """\
# Configuration

Every process reads one TOML file: the one that `--config` names, else the one that `HIL_CONFIG` names, else
`/etc/hil/hil.toml` if it exists. Nothing has to be configured: every setting has a default, and `hil serve` runs
without a file.

A variable stands above the file. It is `HIL_SECTION__KEY`, such as `HIL_SERVER__LISTEN`, or one of these:

{short}
A variable needs no quotes around text; an empty one counts as not given. A secret can also stand in a file of its own:
`url_file = "/etc/hil/database-url"` instead of `url = "…"`.

A fault stops the process and names file, key and remedy:

    hil: /etc/hil/hil.toml: [server] litsen: there is no such setting: did you mean listen?

A file that holds a secret must not be open to others (`chmod o= FILE`); owner and group may read it.
`hil-admin` reads the same file. All times are in seconds.
"""
KINDS = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}


def text() -> str:
    short = "".join(f"- `{name}`: `{key}` of `[{section}]`\n" for name, (section, key) in SHORT.items())
    return HEAD.format(short=short) + "".join(section_text(name, section) for name, section in settings())


def section_text(name: str, section: type[Section]) -> str:
    rows = [row(key, known) for key, known in section.model_fields.items()]
    said = re.sub(r"\b(\w+\.md)\b", r"[\1](\1)", section.__doc__ or "")
    title = f"\n## [{name}]\n\n{said}\n\n"
    return title + "| key | kind | default | |\n|---|---|---|---|\n" + "".join(rows)


def row(key: str, known: FieldInfo) -> str:
    description = " ".join((known.description or "").split()).replace("|", "\\|")
    linked = re.sub(r"\b(\w+\.md)\b", r"[\1](\1)", description)
    return f"| `{key}` | {kind(known)} | {default(known)} | {linked} |\n"


def kind(known: FieldInfo) -> str:
    written = str(known.annotation)
    if known.annotation is Secret:
        return "text, secret"
    if "Literal" in written:
        return " or ".join(f"`{word}`" for word in re.findall(r"'(\w+)'", written))
    if "Path" in written:
        return "path"
    if "tuple" in written:
        return "list of text"
    return KINDS[known.annotation.__name__] if isinstance(known.annotation, type) else written


def default(known: FieldInfo) -> str:
    value = known.default
    if value is None or value in ("", ()) or isinstance(value, (Secret, Path)):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:.10g}`" if isinstance(value, float) else f"`{value}`"
