"""Configuration of a driver, checked: models that refuse unknown keys, errors that name key and remedy.

Values never appear in a message: any of them may be a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from hil.core.errors import BadArgument

Hostname = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[!-~]+$")]
"""Printable ASCII without spaces."""
Text = Annotated[str, StringConstraints(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A user name or password: anything without control characters."""


class Settings(BaseModel):
    """The configuration of one switch, as JSON; no value is converted to another type."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


def checked(model: type[Settings], config: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a configuration as JSON values without nulls. Raises BadArgument about its first fault."""
    try:
        return model.model_validate(dict(config)).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    key = ".".join(str(part) for part in fault["loc"]) or "configuration"
    keys = ", ".join(model.model_fields)
    match fault["type"]:
        case "missing":
            raise BadArgument(f"{key} is missing: a switch of this type needs it.")
        case "extra_forbidden":
            raise BadArgument(f"{key[:64]!a} is no setting of this type of switch: use {keys}.")
        case "string_pattern_mismatch":
            raise BadArgument(f"{key} holds a character that cannot be meant: leave out control characters and spaces.")
        case _:
            raise BadArgument(f"{key}: {fault['msg'].removeprefix('Value error, ')}.")
