"""Switches of fake-switches, a simulator that nobody of this project wrote: each model in a process of its own.

The simulator is installed in an environment of its own (requirements/witness.in, built by tools/peers) and listens on
a free port of the loopback until its standard input ends. Its host key is one and the same in every copy of it; the
tests hold every log-in to that key, as a registered switch would be.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hil.core.devices import Writer

PYTHON = Path(__file__).parents[2] / ".venv-witness/bin/python"
USER, PASSWORD, ENABLE = "hil", "first password", "second password"
WRITER = Writer(1, lambda: None)

SERVE = """
import json, sys, threading
from fake_switches.switch_factory import SwitchFactory
from fake_switches.transports.ssh_service import SwitchSshService, getRSAKeys
from twisted.internet import reactor

model, user, password, enable = sys.argv[1:]
core = SwitchFactory().get(model, "witness", enable)
listening = SwitchSshService("127.0.0.1", 0, core, {user: password.encode()}).hook_to_reactor(reactor)
print(json.dumps({"port": listening.getHost().port, "key": getRSAKeys()[0]}), flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), reactor.callFromThread(reactor.stop)), daemon=True).start()
reactor.run()
"""


@contextmanager
def witness(model: str) -> Iterator[dict[str, Any]]:
    """Run a switch of a model, as fake-switches names it; answers how to log in. It forgets everything at the end."""
    command = [str(PYTHON), "-I", "-c", SERVE, model, USER, PASSWORD, ENABLE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            yield {
                "hostname": "127.0.0.1",
                "port": told["port"],
                "username": USER,
                "password": PASSWORD,
                "host_key": " ".join(told["key"].split()[:2]),
                "timeout": 60.0,
            }
        finally:
            process.communicate("", timeout=60)
    assert process.returncode == 0
