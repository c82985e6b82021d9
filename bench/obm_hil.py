"""The same power reads, and changes of many nodes in one request, through HIL: API on PostgreSQL, then obmd."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import update

from bench.api import database, served
from bench.filled import PASSWORD
from bench.load import basic, request
from bench.obm_site import EPOCH, Bmcs, Obmd, obmd, processor
from bench.report import Row
from bench.rush import Crowd, whole_answer
from hil.api.v1.power import SIDE_BY_SIDE
from hil.cli.bulk import AT_A_TIME
from hil.services.obm_key import obm_public_keys, obm_signer
from hil.store.keys import Keyring
from hil.store.tables import Node
from hil.store.unit import Store
from tests.support.databases import Cluster

TURNS = 4
OPERATOR = basic("op", PASSWORD)


def through_hil(bmc: Bmcs, answer: float) -> Iterator[Row]:
    """Every figure of power through HIL; each controller takes `answer` seconds."""
    cluster = Cluster()
    try:
        with tempfile.TemporaryDirectory() as directory:
            keys = Path(directory) / "keys"
            with database(cluster, keys, len(bmc.ports)) as url:
                store = Store(url.replace("postgresql+psycopg", "postgresql"), Keyring.made_at(keys))
                with closing(store):
                    store.change(obm_public_keys)
                    signer = store.read(lambda session: obm_signer(session, store.keys))
                    with obmd(bmc.ports, signer) as site:
                        _enable(store, site)
                        with served(url, keys, "database", processes=1) as (port, pids):
                            yield from _rows(site, port, pids[0], answer)
    finally:
        cluster.stop()


def _enable(store: Store, site: Obmd) -> None:
    """Enable the OBM of every node in the epoch in which obmd has it."""
    values = {
        "obmd_uri": f"http://127.0.0.1:{site.port}",
        "obmd_own": True,
        "obm_token": store.keys.seal_up({"token": "0" * 32}),
        "obm_epoch": EPOCH,
        "obm_revoke": True,
    }
    store.change(lambda unit: unit.session.execute(update(Node).values(**values)))


def _rows(site: Obmd, port: int, pid: int, answer: float) -> Iterator[Row]:
    count = len(site.names)
    reads = [request("GET", f"/v1/nodes/{name}/power?max_age=0", OPERATOR) for name in site.names]

    def read() -> None:
        with Crowd([port] * SIDE_BY_SIDE, whole_answer) as callers:
            callers.rush(reads)

    def change() -> None:
        body = json.dumps({"action": "on", "nodes": site.names}).encode()
        headers = {"Authorization": OPERATOR, "Content-Type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/power", body, headers)
        with urllib.request.urlopen(asked, timeout=300) as lines:
            assert json.loads(lines.read().splitlines()[-1]) == {"asked": count, "failed": 0}

    def status() -> None:
        code = "from hil.main import main; main()"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HIL_")}
        signed = {"HIL_ENDPOINT": f"http://127.0.0.1:{port}", "HIL_USERNAME": "op", "HIL_PASSWORD": PASSWORD}
        words = ("node", "power", "status", f"node[00000-{count - 1:05}]")
        done = subprocess.run(
            [sys.executable, "-c", code, *words], env=clean | signed, capture_output=True, text=True, check=True
        )
        assert done.stdout.count(" on") >= count

    for what, work, width, turns in (
        (f"power of {count:,} nodes through the API, {SIDE_BY_SIDE} callers", read, SIDE_BY_SIDE, TURNS),
        (f"one request for {count:,} nodes (POST /v1/power)", change, SIDE_BY_SIDE, TURNS),
        (f"hil node power status, {count:,} nodes", status, AT_A_TIME, 1),
    ):
        used, times = processor(pid), []
        for _ in range(turns):
            begun = time.perf_counter()
            work()
            times.append(time.perf_counter() - begun)
        took, floor = statistics.median(times), math.ceil(count / width) * answer
        each = (processor(pid) - used) / turns / count * 1000
        yield Row(what, f"{took:.2f} s", f"{took / floor:.2f} × floor ({floor:.1f} s, {width} at a time)", "", True)
        yield Row("  processor time of the API for each", f"{each:.2f} ms", "", "", True)
