"""How a Nexus talks, in its shell and in the words that NX-API hands on."""

from __future__ import annotations

import re
from typing import Final

from hil.drivers.switch.cli.dialect import Dialect

BUSY: Final = re.compile(
    r"configuration (?:is )?locked|another (?:user|session) .*configur|could not (?:get|acquire) .*lock|"
    r"(?:update|commit) in progress",
    re.IGNORECASE,
)

DIALECT: Final = Dialect(
    refused=re.compile(
        r"^\s*%|^\s*error\b|Syntax error|Cannot run commands in the mode|Permission denied|^\s*(?:Invalid|Failed)\b|"
        r"Copy failed|\baborted?\b",
        re.IGNORECASE,
    ),
    busy=BUSY,
    tolerated=re.compile(r"^\s*%?\s?(?:Warning|Edge port type)", re.IGNORECASE),
)
