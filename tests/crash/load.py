"""Tenants that ask for random things all the time, and a watch that asks the devices who hears whom."""

import random
import threading
import time
from typing import Any

import httpx

from hil.lab.fabric import Fabric
from tests.crash.site import PROJECTS, Site

NETWORKS = ("red-net", "blue-net", "shared")
TOO_LONG = 0.5
"""Seconds between two looks at the books in which a node could have come, heard somebody and gone again."""


class Tenants:
    """Threads that allocate, connect, detach and release over HTTP; a refusal is an answer, and so is no answer."""

    def __init__(self, site: Site, seed: int, threads: int = 3) -> None:
        self._site = site
        self._stop = threading.Event()
        self.answers: dict[int, int] = {}
        self.faults: list[str] = []
        self.accepted: set[str] = set()
        """Operations of which a tenant was told that they were accepted."""
        self._nodes = sorted(site.wiring())
        chances = [random.Random(f"{seed} {number}") for number in range(threads)]
        self._threads = [threading.Thread(target=self._run, args=(chance,)) for chance in chances]

    def __enter__(self) -> "Tenants":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def go_on(self, accepted: int, seconds: float = 30.0) -> None:
        """Wait until so many more requests were accepted."""
        goal, end = self.answers.get(202, 0) + accepted, time.monotonic() + seconds
        while self.answers.get(202, 0) < goal and time.monotonic() < end:
            time.sleep(0.01)

    def _run(self, chance: random.Random) -> None:
        with httpx.Client(base_url=f"http://{self._site.listen}", timeout=5) as client:
            while not self._stop.is_set():
                try:
                    self._ask(client, chance)
                except httpx.TransportError:
                    self._stop.wait(0.05)

    def _ask(self, client: httpx.Client, chance: random.Random) -> None:
        path, body = self._wish(chance)
        answer = client.post(path, json=body)
        self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
        if answer.status_code == 202:
            self.accepted.add(answer.json()["id"])
        if answer.status_code >= 500 and answer.status_code != 503:
            self.faults.append(f"{path}: {answer.status_code} {answer.text[:200]}")

    def _wish(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        node = chance.choice(self._nodes)
        match chance.choice(("allocate", "connect", "connect", "detach", "release")):
            case "allocate":
                return f"/v1/projects/{chance.choice(PROJECTS)}/allocations", {"nodes": [node]}
            case "release":
                return f"/v1/nodes/{node}/release", {}
            case action:
                change = {"action": action, "node": node, "nic": "e0", "network": chance.choice(NETWORKS)}
                return "/v1/network-changes", {"changes": [change]}


class Watch:
    """Ask the fabric, again and again, whether two nodes hear each other that may not.

    Books and devices cannot be read in one instant: a pair counts only if neither the books just before nor those just
    after allow it. Nothing is judged before the first settlement of a port, when it is as its factory left it.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stop = threading.Event()
        self.violations: list[str] = []
        self.looks = 0
        self.heard = 0
        self._fabric: Fabric[str] = Fabric(site.park.switches, site.wiring())
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        began, before = time.monotonic(), self._site.allowed()
        while not self._stop.wait(0.02):
            domains = self._fabric.domains()
            again, after = time.monotonic(), self._site.allowed()
            took, began = time.monotonic() - began, again
            if took > TOO_LONG:
                before = after
                continue
            self.looks += 1
            for vlan, nodes in domains.items():
                if len(nodes) > 1:
                    self.heard += 1
                    wrong = [name for name in sorted(nodes) if vlan not in before[name] | after[name]]
                    if wrong:
                        self.violations.append(f"VLAN {vlan}: {sorted(nodes)}, not allowed for {wrong}")
            before = after
