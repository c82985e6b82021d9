"""The page of errors, from their classes: what a program may compare, and what the words of a class say."""

import inspect

from hil.api.problem import documented
from hil.core.errors import DeviceError, HilError

OUTPUT = "docs/users/errors.md"

HEAD = """\
# Errors of API v1

Whatever is not a success has a body of the type `application/problem+json` (RFC 9457):

```json
{"type": "/errors/duplicate", "title": "Duplicate", "status": 409, "retry": false,
 "detail": "Project 'lab' exists already.", "instance": "0a52c1c4f2c94a0c8a0d2b1f5d0f7a31"}
```

- `type` is stable: a program compares this, never the words.
- `detail` is for people and says what to do next.
- `instance` is the id of the request, as in the header `X-Request-ID`: an operator finds the request by it.
- `retry` says whether sending the very same request again can help.
- `errors` is there when the request is malformed: `[{"loc": ["body", "name"], "msg": "…"}]`.

An answer 401 says in `WWW-Authenticate` how to log in; 429 and 503 say in `Retry-After` how many seconds to wait.
What you may not know of is answered 404, in the very words for what does not exist.

| type | status | retry | meaning |
|---|---|---|---|
"""
DEVICES = """
An operation that waits or fails says in its `reason` what the switch said. The errors of devices are never the answer
to a request.
"""


def row(kind: type[HilError]) -> str:
    words = " ".join(inspect.cleandoc(kind.__doc__ or "").split())
    return f"| `/errors/{kind.type}` | {kind.status} | {'yes' if kind.retry else 'no'} | {words} |\n"


def text() -> str:
    kinds = [kind for kind in documented() if not issubclass(kind, DeviceError)]
    return HEAD + "".join(row(kind) for kind in sorted(kinds, key=lambda kind: (kind.status, kind.type))) + DEVICES
