"""DMTF's validators against a served HIL; what they say that is not PASS stands, argued, in exceptions.toml."""

from __future__ import annotations

import csv
import fnmatch
import re
import tomllib
from pathlib import Path

import pytest

from tests.api_v1.world import PASSWORD
from tests.obm_side.world import ObmWorld
from tests.ovs.certificates import Authority
from tests.redfish import schemas
from tests.redfish.world import PEERS, run, served

pytestmark = pytest.mark.net
KNOWN = tomllib.loads(Path(__file__).with_name("exceptions.toml").read_text())


async def _validate(world: ObmWorld, cwd: Path) -> list[dict[str, str]]:
    authority = Authority(cwd / "authority")
    async with served(world, authority.issue("hil", "127.0.0.1")) as url:
        code, said = await run(
            PEERS / "rf_protocol_validator", "--rhost", url, "--user", "alice", "--password", PASSWORD,
            "--ca-bundle", authority.certificate, "--report-dir", cwd / "reports", "--report-type", "tsv",
            "--avoid-http-redirect", cwd=cwd, seconds=200,
        )  # fmt: skip
    found = list((cwd / "reports").glob("*.tsv"))
    assert len(found) == 1, (code, said[-2000:])
    with found[0].open(newline="") as report:
        return list(csv.DictReader(report, delimiter="\t"))


def test_the_protocol_validator_finds_nothing_but_what_is_argued(world: ObmWorld, tmp_path: Path) -> None:
    found = world.run(_validate(world, tmp_path))
    told = {result: {row["Assertion"] for row in found if row["Result"] == result} for result in ("FAIL", "NOT_TESTED")}
    detail = [row for row in found if row["Result"] not in ("PASS", "NOT_TESTED")]
    assert told["FAIL"] == set(KNOWN["fail"]), detail
    assert {row["Result"] for row in found} == {"PASS", "FAIL", "NOT_TESTED"}, detail
    patterns = KNOWN["not_tested"]
    assert {name for name in told["NOT_TESTED"] if not _any(name, patterns)} == set()
    assert {each for each in patterns if not fnmatch.filter(told["NOT_TESTED"], each)} == set()
    assert sum(row["Result"] == "PASS" for row in found) >= 180
    assert [entry.who for entry in world.machines["theirs"].changes()] == []


def _any(name: str, patterns: dict[str, str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


async def _walk(world: ObmWorld, cwd: Path) -> tuple[int, str]:
    written = cwd / "schemas"
    written.mkdir()
    schemas.write(written)
    async with served(world) as url:
        return await run(
            PEERS / "rf_service_validator", "--rhost", url, "--user", "alice", "--password", PASSWORD,
            "--authtype", "Session", "--logdir", cwd / "logs", "--schema_directory", written, "--skipschema",
            cwd=cwd, seconds=200,
        )  # fmt: skip


def test_the_service_validator_finds_every_resource_of_the_caller_in_order_and_no_other(
    world: ObmWorld, tmp_path: Path
) -> None:
    world.machines["n1"].slots["cd"] = "http://images.example.org/a.iso"
    world.machine("n2", "p")  # a System that is disabled
    code, said = world.run(_walk(world, tmp_path))
    assert code == 0, said[-4000:]
    seen = re.findall(r"Validating /redfish/v1(.*)\.\.\.", said)
    assert {path.split("/")[2] for path in seen if path.startswith("/Systems/")} == {"n1", "n2"}
    sessions = [path for path in seen if path.startswith("/SessionService/Sessions/")]
    assert len(sessions) == 1  # its own
    kinds = {
        "/".join("*" if number % 2 else part for number, part in enumerate(path.split("/")[1:]))
        for path in seen
        if path not in sessions
    }
    assert kinds == {
        "", "Systems", "Systems/*", "Systems/*/EthernetInterfaces", "Systems/*/EthernetInterfaces/*",
        "Systems/*/Processors", "Systems/*/Processors/*", "Managers", "Managers/*", "Managers/*/VirtualMedia",
        "Managers/*/VirtualMedia/*", "Chassis", "Chassis/*", "SessionService", "SessionService/*",
    }  # fmt: skip
    counts = re.findall(r"Pass: (\d+), Warn: (\d+), Fail: (\d+)", said)
    assert len(counts) == len(seen)
    assert {(warned, failed) for _, warned, failed in counts} == {("0", "0")}, said[-6000:]
