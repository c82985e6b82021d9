"""One API process of the bench: `python -m bench.server URL KEYS BACKEND FD`, on a socket that it inherits.

Adds one endpoint that authenticates and does nothing, to measure the others against.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Request
from starlette.responses import Response

from hil.api.app import create_app
from hil.api.settings import Settings
from hil.api.v1.door import Call, shown
from hil.auth.backend import open_backend
from hil.store.keys import Keyring
from hil.store.unit import Store


def _call(request: Request) -> Call:
    return Call(request)


def application(store: Store, backend: str) -> FastAPI:
    """The real application and the empty endpoint, which takes the same way as any other."""
    app = create_app(store, open_backend(backend, {}, store), Settings())

    def empty(call: Annotated[Call, Depends(_call)]) -> Response:
        return call.read(lambda ctx: shown({}))

    app.add_api_route("/bench/empty", empty, tags=["bench"])
    return app


def main() -> None:
    """Serve until ended."""
    url, keys, backend, handle = sys.argv[1:]
    store = Store(url, Keyring.from_file(Path(keys)))
    bound = socket.socket(fileno=int(handle))
    config = uvicorn.Config(
        application(store, backend), http="httptools", loop="uvloop", log_level="warning", access_log=False
    )
    uvicorn.Server(config).run([bound])


if __name__ == "__main__":
    main()
