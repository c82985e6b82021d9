"""The last scenes: a machine leaves a project for the next, a VLAN id is used again, the journal is proved."""

from __future__ import annotations

import time

from hil.client import Client
from hil.lab.demo.consoles import cut_off, released, taken_over
from hil.lab.demo.evidence import forged
from hil.lab.demo.scenes import BLUE, GREEN, IN_USE, apart, machines, sent
from hil.lab.demo.stage import Stage
from hil.lab.demo.storms import cut, mend, ports
from hil.lab.furnish import settled
from hil.lab.hearing import Hearing


def release(stage: Stage) -> None:
    """A machine is given back while its switch does not answer."""
    blue = machines(stage, BLUE)
    leaving = blue[0]
    stage.act(
        "A machine is given back",
        f"""Blue gives {leaving} back, connected and running as it is, with its console open, while its switch cannot be
        reached. Until the switch was read back, nobody may have the machine, and nobody the VLAN ids of its networks:
        all four are in use.""",
    )
    with released(stage, leaving) as viewer:
        cut(stage, leaving)
        stage.hil(BLUE, "node", "release", leaving, "--no-wait")
        cut_off(stage, viewer, leaving)
    stage.hil(GREEN, "node", "allocate", leaving, expect=IN_USE)
    stage.hil(BLUE, "network", "detach", f"{BLUE}-store", blue[1], "--no-wait")
    stage.hil(BLUE, "network", "delete", f"{BLUE}-store", expect=IN_USE)
    stage.hil(GREEN, "network", "create", "spare", expect=IN_USE)
    with stage.client() as hil:
        waiting = hil.nodes.get(leaving)
        ids = {network.net_id for network in hil.networks.list()}
        still = waiting.state == "releasing"
        stage.claim(
            "while its switch is out of reach, a released machine is nobody's", still, waiting.reason or "", waiting
        )
        stage.claim("and the VLAN ids that it may have are given to nobody", len(ids) == 4, ", ".join(sorted(ids)), ids)
        _freed(stage, hil, leaving)


def _freed(stage: Stage, hil: Client, leaving: str) -> None:
    """Mend the switch, and claim what is true of the machine from the first moment that it is free."""
    began = time.monotonic()
    mend(stage, leaving)
    [heard] = stage.until(lambda: _free(stage, hil, leaving), "the machine becoming free")
    spent = time.monotonic() - began
    loud = heard.of(leaving)
    stage.claim(
        "the first time that it is seen free, a released machine is silent",
        not loud,
        f"{spent:.1f} s; {sent(heard)}",
        loud,
    )
    closed = ports(stage, [leaving])[0]
    carries = (closed.observed or {}).get("native"), (closed.observed or {}).get("tagged")
    stage.claim(
        "the port of a free machine was read back as closed", settled(closed) and carries == (None, []), "", closed
    )


def _free(stage: Stage, hil: Client, node: str) -> list[Hearing]:
    """Ask the data plane at the very moment that HIL says *free*; nothing while it does not."""
    return [stage.hearing()] if hil.nodes.get(node).state == "free" else []


def next_tenant(stage: Stage) -> None:
    """The next tenant gets the machine, and the VLAN id."""
    stage.act(
        "The next tenant",
        """Green takes the machine, then the VLAN id that blue's storage network had. Neither brings anything of blue's
        with it.""",
    )
    with stage.client() as hil:
        old = hil.networks.get(f"{BLUE}-store").net_id
        stage.until(lambda: not list(hil.networks.attachments(f"{BLUE}-store")), "the storage network being left")
    stage.hil(BLUE, "network", "delete", f"{BLUE}-store")
    with stage.client() as hil:
        taken = next(node.name for node in hil.nodes.list(state="free", selector="kind=compute"))
    stage.hil(GREEN, "node", "allocate", taken)
    before = stage.hearing()
    stage.claim("a machine comes to its next tenant silent", not before.of(taken), sent(before), before.of(taken))
    taken_over(stage, taken)
    stage.hil(GREEN, "network", "create", "spare", mute=True)
    stage.hil(GREEN, "network", "connect", "spare", taken)
    with stage.client() as hil:
        reused = hil.networks.get("spare").net_id
    stage.claim("a VLAN id is used again when no port has it any more", reused == old, f"id {old}", reused)
    heard = stage.hearing()
    stage.show(heard)
    stage.claim(
        "on a VLAN id used again, nothing is heard of its last owner", not heard.of(taken), sent(heard), heard.of(taken)
    )
    stage.hil(GREEN, "network", "detach", "spare", taken)
    stage.hil(GREEN, "network", "connect", f"{GREEN}-net", taken)
    green = machines(stage, GREEN)
    heard = stage.hearing()
    mates = {frozenset((taken, node)) for node in green if node != taken}
    stage.claim(
        "on its new project's network it hears its new mates", mates <= heard.pairs, f"{len(mates)} pairs", heard.pairs
    )
    apart(stage, machines(stage, BLUE), green, heard)


def journal(stage: Stage) -> None:
    """The journal is proved, and a forgery is found out."""
    stage.act(
        "What was written down",
        """Who did what is in a journal whose lines are sealed, each over the one before. We verify it, then change one
        line in a copy.""",
    )
    verified = stage.admin("--state", "state", "audit", "verify")
    lines = verified.out.split()[0]
    stage.claim("nothing in the journal was changed or removed", lines.isdigit() and int(lines) > 0, f"{lines} lines")
    with stage.client() as hil:
        line = next(iter(hil.events.journal(action="node_release")))
    forged(stage.site, stage.site.directory / "forged", line.seq)
    told = stage.admin("--state", "forged", "audit", "verify", expect=(1,))
    found = f"line {line.seq} " in told.err
    stage.claim("a changed line is found", found, f"line {line.seq}", told.err)
