"""The scenes in which something goes wrong: HIL is killed in the middle of a change, and a port is changed by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hil.client import Port
from hil.core.model import PortState
from hil.lab.demo.evidence import books
from hil.lab.demo.scenes import BLUE, GREEN, apart, machines, sent
from hil.lab.demo.stage import Stage
from hil.lab.furnish import settled
from hil.lab.site import OPERATOR

_SLOW = ("slow", "op=save", "seconds=8", "count=forever")


def ports(stage: Stage, nodes: Sequence[str]) -> list[Port]:
    """What HIL says of the ports behind these machines."""
    with stage.client() as hil:
        return [hil.ports.get(*stage.plane.facts.wiring[node]) for node in nodes]


def crash(stage: Stage) -> None:
    """HIL is killed in the middle of a change."""
    stage.act(
        "HIL is killed in the middle of a change",
        """Green asks for one more network. The switches are made to dawdle, so that HIL can be killed (SIGKILL) when it
        has written and does not know yet what became of it.""",
    )
    blue, green = machines(stage, BLUE), machines(stage, GREEN)
    operation = _half_done(stage, green)
    running = _running(stage)
    stage.hil(OPERATOR, "lab", "fault", "crash", "--hold")
    left = books(stage.site, operation)
    _mend(stage)
    names = {stage.plane.facts.wiring[node][1] for node in green}
    figures = f"{len(left.tainted)} ports tainted, the operation pending"
    stage.claim(
        "after the crash the books do not call the change done", left.tainted == names and left.pending, figures, left
    )
    now = _running(stage)
    stage.claim("with HIL dead, every machine runs on", now == running, f"{len(now)} are on", (running, now))
    reached, words = stage.plane.ping(*blue)
    stage.claim("with HIL dead, blue's machines still reach each other", reached, words, words)
    heard = stage.hearing()
    crossed = heard.between(blue, green)
    stage.claim("with HIL dead, nothing crosses", not crossed, sent(heard), crossed)
    _recovered(stage, operation, green)
    apart(stage, blue, green)


def _running(stage: Stage) -> dict[str, int]:
    """The machines that are on, as they say themselves, and how often each was started."""
    seen = stage.site.ask("machines")
    return {node: each["starts"] for node, each in seen.items() if each["power"]}


def _half_done(stage: Stage, nodes: Sequence[str]) -> str:
    """Have HIL begin a change that it cannot end; answers the operation once the switches were written."""
    stage.hil(GREEN, "network", "create", f"{GREEN}-lab", mute=True)
    before = [stage.plane.kept(stage.plane.facts.wiring[node]) for node in nodes]
    if stage.plane.facts.kind == "ovs":
        stage.hil(OPERATOR, "lab", "fault", "set", "sw1", "freeze")
    else:
        stage.hil(OPERATOR, "lab", "fault", "set", "sw1", *_SLOW)
        stage.hil(OPERATOR, "lab", "fault", "set", "sw2", *_SLOW)
    words = ("network", "connect", f"{GREEN}-lab", ",".join(nodes), "--channel", "tagged", "--no-wait")
    operation = stage.hil(GREEN, *words).out.strip()

    def written() -> bool:
        return before != [stage.plane.kept(stage.plane.facts.wiring[node]) for node in nodes]

    stage.until(lambda: all(port.tainted for port in ports(stage, nodes)), "the ports being claimed")
    stage.until(written, "a switch being written")
    return operation


def _mend(stage: Stage) -> None:
    for switch in ("sw1",) if stage.plane.facts.kind == "ovs" else ("sw1", "sw2"):
        stage.hil(OPERATOR, "lab", "fault", "clear", switch)


def _recovered(stage: Stage, operation: str, nodes: Sequence[str]) -> None:
    began = time.monotonic()
    stage.hil(OPERATOR, "lab", "fault", "recover")
    stage.until(lambda: stage.site.ask("status")["serving"], "HIL starting again")
    stage.hil(GREEN, "operation", "wait", operation)
    spent = time.monotonic() - began
    now = ports(stage, nodes)
    words = "started again, HIL asked the switches and ended the change"
    stage.claim(words, all(map(settled, now)), f"{spent:.1f} s", now)


def drift(stage: Stage) -> None:
    """A port is changed by hand, behind HIL's back."""
    blue, green = machines(stage, BLUE), machines(stage, GREEN)
    with stage.client() as hil:
        foreign = hil.networks.get(f"{GREEN}-net").net_id
        after = max(line.seq for line in hil.events.journal(action="node_allocate"))
    stage.act(
        "Somebody changes a port by hand",
        f"""HIL's way to the switch is cut for a moment. Meanwhile somebody at its console puts blue's {blue[0]} into
        green's VLAN {foreign}. That is a breach, and we hear it. HIL must find it and heal it by itself.""",
    )
    cut(stage, blue[0])
    stage.hil(OPERATOR, "lab", "fault", "hand", blue[0], f"native={foreign}")
    breach = stage.hearing()
    crossed = breach.between(blue, green)
    stage.show(breach)
    stage.claim("a breach made by hand is heard, so silence is no deafness", bool(crossed), f"{len(crossed)} ways")
    began = time.monotonic()
    mend(stage, blue[0])
    stage.until(lambda: _drift_told(stage, after), "the drift being found")
    stage.until(lambda: all(map(settled, ports(stage, blue))), "the drift being healed")
    spent = time.monotonic() - began
    stage.hil(OPERATOR, "journal", "--action", "drift")
    before, seen = _drift_told(stage, after)[-1]
    told = before != seen and f"native {foreign}" in seen
    stage.claim("the audit found what was changed by hand", told, f"{before} -> {seen}", (before, seen))
    now = ports(stage, blue)
    stage.claim(
        "the audit put it right again", all(map(settled, now)), f"{spent:.1f} s after it could reach the switch", now
    )
    apart(stage, blue, green)


def _drift_told(stage: Stage, after: int) -> list[tuple[str, str]]:
    """Every drift in the journal behind a line: what HIL had set, and what it found."""
    with stage.client() as hil:
        lines = list(hil.events.journal(after=str(after), action="drift"))
    return [(_state(line.before), _state(line.after)) for line in lines]


def _state(facts: object) -> str:
    """A port's state as the journal keeps it, in words."""
    match facts:
        case {"native": int() | None as native, "tagged": list() as tagged}:
            return str(PortState(native, frozenset(tagged)))
        case {"reason": str() as reason}:
            return reason
    return ""


def cut(stage: Stage, node: str) -> None:
    """Cut HIL's way to a machine's switch."""
    words = () if stage.plane.facts.kind == "ovs" else ("count=forever",)
    stage.hil(OPERATOR, "lab", "fault", "set", stage.plane.facts.wiring[node][0], "unreachable", *words)


def mend(stage: Stage, node: str) -> None:
    stage.hil(OPERATOR, "lab", "fault", "clear", stage.plane.facts.wiring[node][0])
