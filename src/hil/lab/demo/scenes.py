"""The first scenes: machines are plugged in, taken by two projects, wired together, and given a second network.

Each scene takes a stage, does something to the lab and claims what it found out. They build on one another, on a lab
with six machines and four VLAN ids. What is claimed about isolation is asked of the data plane.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from hil.lab.demo.evidence import senders
from hil.lab.demo.stage import Stage
from hil.lab.hearing import Hearing
from hil.lab.site import OPERATOR, PROJECTS

BLUE, GREEN = PROJECTS
NODES: Final = 6
VLANS: Final = "100-103"
IN_USE: Final = (5,)
"""The exit code of `hil` for what the state of the world does not allow now."""
NO_LEAVE: Final = (3, 4)
"""Its exit codes for what one may not do, or not even know of."""


def machines(stage: Stage, project: str) -> list[str]:
    """The machines that a project has now."""
    with stage.client() as hil:
        return [node.name for node in hil.nodes.list(project=project)]


def sent(heard: Hearing) -> str:
    """What an answer rests on, in figures."""
    return f"{heard.frames} frames sent" if heard.frames else f"computed from {heard.basis}"


def apart(stage: Stage, blue: Collection[str], green: Collection[str], heard: Hearing | None = None) -> None:
    """Claim that nothing crosses between the two projects, and that everybody else is silent."""
    heard = heard or stage.hearing()
    crossed = heard.between(blue, green)
    others = set(heard.listeners) - {*blue, *green}
    loud = [entry for node in sorted(others) for entry in heard.of(node)]
    stage.claim("nothing crosses between blue and green", not crossed, sent(heard), crossed)
    whom = "nobody else hears anything" + (", the switches' own ports included" if others - set(heard.nodes) else "")
    stage.claim(whom, not loud, f"{len(others)} places", loud)


def plugged_in(stage: Stage) -> None:
    """Machines that are only plugged in."""
    count = len(stage.plane.facts.wiring)
    every = count * (count - 1) // 2
    before = stage.plane.facts.factory_pairs
    stage.act(
        "Machines that are only plugged in",
        f"""{count} machines on two switches, and HIL. As the factory left the switches, every machine heard every
        other, so we know that we would hear it. HIL then closed each port and read it back.""",
    )
    stage.claim("before HIL, every pair of machines heard each other", before == every, f"{before} of {every} pairs")
    heard = stage.hearing()
    stage.show(heard)
    stage.claim("since HIL, nobody hears anybody", not heard.heard, sent(heard), sorted(heard.heard))


def allocate(stage: Stage) -> None:
    """Two projects take machines by what they are."""
    stage.act(
        "Two projects take machines",
        """Blue and green do not trust each other. Each takes two machines by a label. A wish that cannot be met whole
        takes nothing, and nobody can touch what is another's.""",
    )
    stage.hil(BLUE, "node", "allocate", "--count", "2", "@kind=compute")
    stage.hil(GREEN, "node", "allocate", "--count", "2", "@kind=compute")
    blue, green = machines(stage, BLUE), machines(stage, GREEN)
    names = f"{', '.join(blue)} and {', '.join(green)}"
    stage.claim("each has two machines of its own", len({*blue, *green}) == 4, names, names)
    stage.hil(GREEN, "node", "allocate", "--count", "3", "@kind=storage", expect=IN_USE)
    stage.claim("a wish for three where two are free takes none", machines(stage, GREEN) == green)
    stage.hil(BLUE, "node", "release", green[0], expect=NO_LEAVE)
    stage.claim("blue cannot release green's machine", machines(stage, GREEN) == green)


def connect(stage: Stage) -> None:
    """Each wires its machines together."""
    stage.act(
        "Each wires its machines together",
        """A network of one's own, and machines on it. The command returns when the switches were read back. Then
        everybody speaks: untagged, on each VLAN id, and with ids that nobody should use.""",
    )
    blue, green = machines(stage, BLUE), machines(stage, GREEN)
    for who, nodes in ((BLUE, blue), (GREEN, green)):
        stage.hil(who, "network", "create", f"{who}-net", mute=who == GREEN)
        stage.hil(who, "network", "connect", f"{who}-net", ",".join(nodes))
    stage.hil(BLUE, "network", "connect", f"{GREEN}-net", blue[0], expect=NO_LEAVE)
    with recording(stage, (blue[1], green[1])) as frames:
        stage.hil(OPERATOR, "lab", "ping", *blue)
        stage.hil(OPERATOR, "lab", "ping", *green)
        stage.hil(OPERATOR, "lab", "ping", blue[0], green[0], expect=(1,))
        heard = stage.hearing()
    stage.show(heard)
    inside = {frozenset(blue), frozenset(green)}
    stage.claim("machines of one network hear each other", inside <= heard.pairs, "2 pairs", heard.pairs)
    apart(stage, blue, green, heard)
    _recorded(stage, frames, blue, green)
    _recorded(stage, frames, green, blue)


@contextmanager
def recording(stage: Stage, nodes: Sequence[str]) -> Iterator[dict[str, Mapping[str, int]]]:
    """Record every frame at the cables of these machines; afterwards the yielded dictionary counts them by sender."""
    found: dict[str, Mapping[str, int]] = {}
    files = {node: stage.site.directory / f"{node}.pcap" for node in nodes}
    begun = [node for node, file in files.items() if stage.plane.capture(node, file)]
    try:
        yield found
    finally:
        for node in begun:
            stage.plane.captured(node)
    found.update((node, senders(files[node])) for node in begun)


def _recorded(
    stage: Stage, frames: Mapping[str, Mapping[str, int]], own: Sequence[str], strangers: Sequence[str]
) -> None:
    """Claim what the recording at the second machine of a project holds; where no frames are, there is nothing to."""
    listener, mate = own[1], own[0]
    if listener not in frames:
        return
    counted = frames[listener]
    mac = {node: stage.plane.addresses(node)[0] for node in (mate, *strangers)}
    mates, foreign = counted[mac[mate]], sum(counted[mac[node]] for node in strangers)
    figures = f"{mates} frames from {mate}, {foreign} from strangers"
    words = f"everything at {listener}'s cable was recorded, and nothing is from a stranger"
    stage.claim(words, mates > 0 and foreign == 0, figures, dict(counted))


def trunk(stage: Stage) -> None:
    """A second network on the same cables, tagged."""
    stage.act(
        "A second network on the same cables",
        """Blue adds a storage network, tagged, on the cables that it has. A machine can send any tag that it likes,
        green's VLAN id as well: the switch must not carry it.""",
    )
    blue, green = machines(stage, BLUE), machines(stage, GREEN)
    stage.hil(BLUE, "network", "create", f"{BLUE}-store", mute=True)
    stage.hil(BLUE, "network", "connect", f"{BLUE}-store", ",".join(blue), "--channel", "tagged")
    with stage.client() as hil:
        own, foreign = (hil.networks.get(name).net_id for name in (f"{BLUE}-store", f"{GREEN}-net"))
    heard = stage.hearing()
    stage.show(heard)
    ways = {*heard.how(*blue), *heard.how(*reversed(blue))}
    stage.claim("one cable carries both", {"untagged", f"tag {own}"} <= ways, f"untagged and tag {own}", ways)
    hopped = [entry for entry in heard.heard if entry.sender in blue and entry.how.startswith(f"tag {foreign}")]
    stage.claim(f"what blue tags with green's id {foreign} reaches nobody", not hopped, sent(heard), hopped)
    apart(stage, blue, green, heard)
