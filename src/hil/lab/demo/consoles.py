"""The scene about a machine's power and its serial console, and what a console has to do with the partings.

Who looks at a console does so in a process of their own, as a person at a terminal would. What they were shown is
compared with what the machine said on its serial line, and what they did with what its controller was asked.
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hil.lab.demo.scenes import BLUE, GREEN, IN_USE, NO_LEAVE, machines
from hil.lab.demo.stage import Broken, Stage
from hil.lab.server import command
from hil.lab.site import clean_environment

BEFORE: Final = "last words for blue"
AFTER: Final = "said when nobody held the machine"
OWN: Final = "first words for green"
CUT_WITHIN: Final = 15.0
"""Seconds that a console may outlive the release, before the story goes on without its end."""
_SHOWN: Final = 9
_WIDTH: Final = 110
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()].|\x1b.|[^\x20-\x7e\n]")


class Viewer:
    """Somebody who looks at a console: a process, and what it has been shown."""

    def __init__(self, stage: Stage, who: str, node: str) -> None:
        self._out = stage.site.directory / f"console.{stage.acts}.{who}.{node}"
        self._err = self._out.with_suffix(self._out.suffix + ".err")
        stage.say(f"  {who}$ hil node console {node} --follow &", fg="cyan")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                viewing(stage, node),
                cwd=stage.site.directory,
                env={**dict(clean_environment()), **stage.site.environment(who)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        try:
            stage.until(lambda: self.looks or self.ended, "the console being opened")
        except BaseException:
            self.close()
            raise
        if self.ended:
            raise Broken(f"`hil node console {node} --follow` ended with {self.process.poll()}: {self.words}")

    @property
    def looks(self) -> bool:
        return "console of" in self.words

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def text(self) -> str:
        """Everything that it was shown, fit for a terminal."""
        return readable(self._out.read_text(errors="replace"))

    @property
    def words(self) -> str:
        """What the program itself has said."""
        return readable(self._err.read_text(errors="replace")).strip()

    def close(self) -> None:
        """Leave, as with Ctrl-C."""
        if not self.ended:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(CUT_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def viewing(stage: Stage, node: str) -> list[str]:
    """The program with which somebody looks at a console."""
    return command("node", "console", node, "--follow")


def readable(text: str) -> str:
    """A text without what steers a terminal."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


@contextmanager
def watching(stage: Stage, who: str, node: str) -> Iterator[Viewer]:
    """Look at a console for a while."""
    viewer = Viewer(stage, who, node)
    try:
        yield viewer
    finally:
        viewer.close()


def shown(stage: Stage, text: str) -> None:
    """Show what was seen on a console, shortened in its middle."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if len(lines) > _SHOWN:
        left = _SHOWN // 2
        lines = [*lines[:left], f"[{len(lines) - 2 * left} more lines]", *lines[-left:]]
    for line in lines:
        stage.say(f"    | {line[:_WIDTH]}", dim=True)


def watched(stage: Stage) -> None:
    """A machine boots over the network, and its owner watches."""
    blue, green = machines(stage, BLUE), machines(stage, GREEN)
    booting, server = blue
    stage.act(
        "A machine boots, and its console is watched",
        f"""Nobody but obmd knows where the machines' controllers are, and their passwords. Blue switches its machines
        on, has {booting} boot over the network from {server}, and watches its serial console. One of green's machines
        looks for a boot service too, on green's network.""",
    )
    for who, node in ((GREEN, green[0]), (BLUE, booting)):
        stage.hil(who, "node", "obm", "enable", *([",".join(blue)] if who == BLUE else [node]), mute=who == GREEN)
        stage.hil(who, "node", "boot", node, "pxe", mute=who == GREEN)
    stage.hil(BLUE, "lab", "netboot", server)
    stage.hil(GREEN, "node", "power", "on", green[0], mute=True)
    before = str(stage.site.ask("tail", node=booting))
    with watching(stage, BLUE, booting) as viewer:
        began = time.monotonic()
        stage.hil(BLUE, "node", "power", "on", ",".join(blue), "--wait")
        source = stage.until(lambda: stage.machine(booting)["source"], f"{booting} booting")
        spent = time.monotonic() - began
        words = "a machine boots over the network, from another of its own project"
        figure = f"{booting} from {server}, {spent:.1f} s"
        _seen_booting(stage, viewer, booting, before)
        stage.claim(words, source == server, figure, f"{booting} runs from {source}")
        _strangers(stage, booting)


def _seen_booting(stage: Stage, viewer: Viewer, node: str, before: str) -> None:
    """Claim that whoever looked was shown everything that the machine has said since."""

    def missed() -> list[str]:
        since, seen = str(stage.site.ask("tail", node=node)).removeprefix(before), viewer.text
        return [line for line in _lines(since) if line not in seen]

    stage.within(CUT_WITHIN, lambda: not missed() or viewer.ended)
    shown(stage, viewer.text)
    lost, said = missed(), len(_lines(viewer.text))
    stage.claim("a machine's owner sees all that it says while it boots", said > 0 and not lost, f"{said} lines", lost)


def _lines(text: str) -> list[str]:
    """The lines of a console, without what steers a terminal."""
    return [line.strip() for line in readable(text).splitlines() if line.strip()]


def _strangers(stage: Stage, node: str) -> None:
    """Green tries everything, and the controller is asked what it was told."""
    before = stage.machine(node)
    stage.hil(GREEN, "node", "power", "off", node, "--yes", expect=NO_LEAVE)
    stage.hil(GREEN, "node", "boot", node, "disk", expect=NO_LEAVE)
    stage.hil(GREEN, "node", "console", node, "--follow", expect=NO_LEAVE)
    now = stage.machine(node)
    words = f"green neither switches, nor sets, nor watches blue's {node}"
    stage.claim(words, now == before and now["power"], "so its controller says", (before, now))


def unanswered(stage: Stage) -> None:
    """Claim that blue's boot service has answered no machine of green's: firmware takes its time to give up."""
    node = machines(stage, GREEN)[0]
    source = stage.until(lambda: stage.machine(node)["source"], f"{node} ending its search")
    words = "the boot service on blue's network answers nobody else"
    stage.claim(words, source not in stage.plane.facts.wiring, f"green's {node} found none", f"it runs from {source}")


@contextmanager
def released(stage: Stage, node: str) -> Iterator[Viewer]:
    """Have blue look at a console that is proved to show what the machine says; afterwards it is cut, or it is not."""
    with watching(stage, BLUE, node) as viewer:
        stage.hil(BLUE, "lab", "say", node, BEFORE)
        stage.until(lambda: BEFORE in viewer.text or viewer.ended, "the console showing what the machine says")
        yield viewer


def cut_off(stage: Stage, viewer: Viewer, node: str) -> None:
    """Claim that the console ended with the release, and that what the machine says then reaches nobody."""
    began = time.monotonic()
    stage.within(CUT_WITHIN, lambda: viewer.ended)
    spent = time.monotonic() - began
    shown(stage, "\n".join([*viewer.text.splitlines()[-1:], *viewer.words.splitlines()[-1:]]))
    left = stage.machine(node)["consoles"]
    with stage.client() as hil:
        state = hil.nodes.get(node).state
    whole = BEFORE in viewer.text and viewer.ended and not left and state == "releasing"
    words = "a released machine's console is cut at once, though its switch is out of reach"
    stage.claim(words, whole, f"{spent:.1f} s", f"ended: {viewer.ended}, {left} open at the controller, node {state}")
    stage.hil("operator", "lab", "say", node, AFTER)
    said = stage.within(CUT_WITHIN, lambda: AFTER in stage.site.ask("tail", node=node))
    reached = AFTER in viewer.text or not viewer.ended or bool(stage.machine(node)["consoles"])
    words = "what it says after its release reaches nobody"
    stage.claim(words, said and not reached, f"{len(AFTER)} bytes at its serial line", viewer.text[-200:])
    stage.hil(BLUE, "node", "console", node, "--follow", expect=(*NO_LEAVE, *IN_USE))


def taken_over(stage: Stage, node: str) -> None:
    """Claim that the next tenant gets a machine without power, and a console without a past."""
    before = stage.machine(node)
    stage.claim("it comes without power", not before["power"], "so its controller says", before)
    stage.hil(GREEN, "node", "obm", "enable", node)
    with watching(stage, GREEN, node) as viewer:
        stage.hil(GREEN, "node", "power", "on", node, "--wait")
        stage.until(lambda: stage.machine(node)["source"] or viewer.ended, f"{node} booting")
        stage.hil(GREEN, "lab", "say", node, OWN)
        stage.until(lambda: OWN in viewer.text or viewer.ended, "the console showing what the machine says")
        shown(stage, viewer.text)
        text = viewer.text
        strange = [words for words in (BEFORE, AFTER) if words in text]
        own = readable(str(stage.site.ask("tail", node=node))).rpartition(AFTER)[2]
        lines = _lines(text)
        strange += [line for line in lines if line not in own]
    words = "its console shows the next tenant's own time only"
    stage.claim(words, bool(lines) and not strange, f"{len(lines)} lines, none of blue's", strange)
