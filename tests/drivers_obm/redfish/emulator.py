"""A real Redfish service: sushy-tools' emulator with a machine of files. Runs in the peers' environment, not in ours.

    .venv-peers/bin/python emulator.py DIRECTORY

The directory holds `cert.pem`, `key.pem`, and after the start `port`. The machine lives in it too: `power`, `log`, and
files that a test makes: `refuse` (with the words), `lose` and `hang`, each for one request.
"""

import sys
import time
from pathlib import Path

import bcrypt
import flask
from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems import fakedriver
from werkzeug.serving import make_server

HOME = Path(sys.argv[1])
SYSTEM = "5f3e4c1e-6d0b-4d43-9d1c-0c1d3a2b7e10"
ON = {
    "On": True,
    "ForceOn": True,
    "ForceRestart": True,
    "GracefulRestart": True,
    "ForceOff": False,
    "GracefulShutdown": False,
}


def once(name):
    """Whether a test has left this file; it is gone after that."""
    try:
        text = (HOME / name).read_text()
        (HOME / name).unlink()
    except FileNotFoundError:
        return None
    return text


class Machine(fakedriver.FakeDriver):
    """The stock fake takes seconds to change its power; this one does it at once, and can be broken on purpose."""

    def get_power_state(self, identity):
        if flask.request.method == "GET" and once("hang") is not None:
            time.sleep(5)
        return (HOME / "power").read_text()

    def set_power_state(self, identity, state):
        if (words := once("refuse")) is not None:
            raise error.FishyError(words, code=409)
        if state not in ON:
            raise error.NotSupportedError(f"{state} is not supported")
        with (HOME / "log").open("a") as log:
            log.write(f"{state}\n")
        (HOME / "power").write_text("On" if ON[state] else "Off")
        if once("lose") is not None:
            flask.request.environ["werkzeug.socket"].shutdown(2)


def main():
    fakedriver.FakeDriver = Machine
    users = HOME / "users"
    users.write_text(f"hil:{bcrypt.hashpw(b'corr3ct horse', bcrypt.gensalt(4)).decode()}\n")
    users.chmod(0o600)
    nics = [{"mac": "52:54:00:00:00:01", "ip": "192.0.2.1"}]
    system = {"uuid": SYSTEM, "name": "machine", "power_state": "Off", "nics": nics}
    config = {
        "SUSHY_EMULATOR_FAKE_DRIVER": True,
        "SUSHY_EMULATOR_FAKE_SYSTEMS": [system],
        "SUSHY_EMULATOR_STATE_DIR": str(HOME),
        "SUSHY_EMULATOR_AUTH_FILE": str(users),
    }
    emulator.app.configure(extra_config=config)
    tls = (str(HOME / "cert.pem"), str(HOME / "key.pem"))
    server = make_server("127.0.0.1", 0, emulator.app, threaded=True, ssl_context=tls)
    server.daemon_threads = True
    (HOME / "port.new").write_text(str(server.port))
    (HOME / "port.new").rename(HOME / "port")
    server.serve_forever()


if __name__ == "__main__":
    main()
