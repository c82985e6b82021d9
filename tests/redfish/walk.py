"""Asks every path of `/redfish` as every kind of caller and prints what each is answered.

`python -m tests.redfish.walk` renews `golden_walk.txt`, after a change of policy that is meant.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hil.api.redfish.places import PLACES
from hil.obmd.store import ObmdStore
from hil.store.migrate import upgrade
from hil.store.unit import Store
from tests.obm_side.world import open_obm_world
from tests.redfish.world import Tenant, furnish

GOLDEN = Path(__file__).with_name("golden_walk.txt")
CALLERS = ("nobody", "eve", "rita", "alice", "mara", "bob", "key", "root")
BODIES: dict[str, Any] = {
    "ComputerSystem.Reset": {"ResetType": "On"},
    "VirtualMedia.InsertMedia": {"Image": "http://images.example.org/a.iso"},
    "PATCH": {"Boot": {"BootSourceOverrideTarget": "Pxe"}},
    "Sessions": {"UserName": "alice", "Password": "wrong"},
    "Members": {"UserName": "alice", "Password": "wrong"},
}
NAMES = {"node": "n1", "nic": "eth0", "processor": "CPU1", "slot": "cd", "session": "none"}


def table(redfish: Tenant) -> str:
    """A line for each request, a column for each caller; n1 is of project p, whose reader, member, manager ask."""
    token = redfish.key("alice", project="p", role="reader")
    lines = [f"{'':84}" + "".join(f" {caller:>6}" for caller in CALLERS)]
    for place in PLACES:
        path = place.path.format(**NAMES)
        for method in sorted({*place.methods, "DELETE", "PATCH"}):
            body = BODIES.get(path.rpartition("/")[2], BODIES.get(method)) if method in ("POST", "PATCH") else None
            statuses = [_ask(redfish, method, path, body, caller, token) for caller in CALLERS]
            lines.append(f"{method:6} {place.path:77}" + "".join(f" {status:>6}" for status in statuses))
    return "\n".join(lines) + "\n"


def _ask(redfish: Tenant, method: str, path: str, body: Any, caller: str, token: str) -> int:
    redfish.world.machines["n1"].slots["cd"] = None
    by = None if caller in ("nobody", "key") else caller
    return redfish(method, path, body, by=by, token=token if caller == "key" else "").status_code


def main() -> None:
    from tests.support.databases import CHEAP, KEYS

    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/hil.db"
        upgrade(url)
        store, of_obmd = Store(url, KEYS, passwords=CHEAP), ObmdStore(f"sqlite:///{directory}/obmd.db", KEYS)
        of_obmd.prepare()
        world = open_obm_world(store, of_obmd)
        furnish(world)
        GOLDEN.write_text(table(Tenant(world)))
        world.close()
        of_obmd.close()
        store.close()


if __name__ == "__main__":
    main()
