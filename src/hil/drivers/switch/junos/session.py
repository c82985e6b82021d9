"""A session with a Junos switch: lock, edit, commit for a while, read back, confirm.

The candidate is shared: while another holds it, or has left changes in it, nothing is done. A commit is confirmed only
when the device's own configuration reads as wanted, and until then takes itself back, whatever happens to HIL or to the
way to the device. A port that the device refuses, or that reads otherwise than wanted, is left out, and the others are
tried again without it.

Nobody must call done what a timer is about to undo: `save` therefore confirms what an earlier session may have left
unconfirmed, unless this session has done so itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from hil.core import guard
from hil.core.devices import SwitchSession, Writer
from hil.core.errors import DeviceBusy, DeviceError, LostReply, Refused
from hil.core.model import Observed, PortChange
from hil.core.vlans import fold
from hil.core.wiring import About, Mac, Neighbour
from hil.drivers.switch.junos import parse
from hil.drivers.switch.junos.parse import Configuration
from hil.drivers.switch.junos.render import edit
from hil.drivers.switch.junos.spec import CAPABILITIES, hardening
from hil.drivers.switch.order import differing, foreign_vlans
from hil.drivers.transport.netconf import Error, Netconf, Reply, open_netconf
from hil.drivers.transport.ssh import connect

VALIDATE: Final = "urn:ietf:params:netconf:capability:validate:"
_PARTS: Final = "<configuration><interfaces/><vlans/><switch-options/></configuration>"
_CANDIDATE: Final = "<target><candidate/></target>"

Answers = dict[str, DeviceError | None]


class JunosSession:
    """Speak the contract of `SwitchSession` to one switch."""

    def __init__(self, netconf: Netconf, config: Mapping[str, Any]) -> None:
        self._netconf, self._config = netconf, config
        self._confirmed = False

    async def read(self, ports: Collection[str] | None = None) -> dict[str, Observed]:
        with self._closing():
            there = parse.ports(await self._ask("<get-interface-information><terse/></get-interface-information>"))
            if unknown := sorted(set(ports or ()) - set(there)):
                raise Refused(f"The switch has no port {', '.join(unknown)}.")
            config = await self._configuration()
            return {port: parse.observed(config, port) for port in (there if ports is None else ports)}

    async def apply(self, batch: Sequence[PortChange], writer: Writer) -> Answers:
        answers: Answers = {change.port: None for change in batch}
        with self._closing():
            for change in differing(batch):
                if wrong := foreign_vlans(CAPABILITIES, (), change):
                    answers[change.port] = Refused(f"Port {change.port}: this switch cannot carry VLAN {fold(wrong)}.")
            todo = [change for change in differing(batch) if answers[change.port] is None]
            if todo:
                await self._lock()
                with self._locked():
                    while todo and await self._attempt(todo, answers, writer):
                        todo = [change for change in todo if answers[change.port] is None]
                await self._must("<unlock>" + _CANDIDATE + "</unlock>")
        return answers

    async def save(self, writer: Writer) -> None:
        """Confirm whatever is committed; a commit is on disk."""
        with self._closing():
            if self._confirmed:
                writer.check()
                return
            await self._lock()
            await self._must("<commit/>", writer)
            self._confirmed = True
            await self._must("<unlock>" + _CANDIDATE + "</unlock>")

    async def about(self) -> About:
        with self._closing():
            version = await self._ask("<get-software-information/>")
            return parse.about(version, await self._ask("<get-chassis-inventory/>"))

    async def neighbours(self) -> dict[str, list[Neighbour]]:
        with self._closing():
            return parse.neighbours(await self._ask("<get-lldp-neighbors-information/>"))

    async def macs(self) -> dict[str, list[Mac]]:
        with self._closing():
            config = await self._configuration()
            return parse.macs(await self._ask("<get-ethernet-switching-table-information/>"), config.vlans)

    async def close(self) -> None:
        await self._netconf.closed()

    async def _attempt(self, todo: Sequence[PortChange], answers: Answers, writer: Writer) -> bool:
        """Bring ports to what they must be in one confirmed commit; whom it fails for is answered.

        Answers whether it failed and another attempt without those is worth it.
        """
        config, whole = await self._candidate(), await self._configuration()
        wants = {}
        for change in todo:
            # A group or a range of interfaces may have put it there: only the expanded configuration shows that.
            if bundle := parse.lag_of(whole, change.port):
                answers[change.port] = Refused(f"Port {change.port} is a {parse.LAG} {bundle}: HIL does not write it.")
            else:
                wants[change.port] = change.want
        if not wants:
            return False
        body = edit(wants, config, **hardening(self._config))
        errors = await self._commit(body, writer)
        if errors:
            await self._must("<discard-changes/>")
            return self._blame(errors, list(wants), answers)
        now = await self._configuration()
        seen = {port: parse.observed(now, port) for port in wants}
        if wrong := [port for port, want in wants.items() if seen[port].state != want]:
            await self._take_back(writer)
            for port in wrong:
                answers[port] = Refused(f"Port {port} reads as ({seen[port]}) after the commit: it was taken back.")
            return True
        if refused := (await self._rpc("<commit/>", writer)).errors:
            raise LostReply(f"{self._netconf.device} refused to confirm: {refused[0]}.")
        self._confirmed = True
        return False

    async def _commit(self, body: str, writer: Writer) -> tuple[Error, ...]:
        """Edit, validate and commit for a while; answer what the device has against it."""
        request = (
            f"<edit-config>{_CANDIDATE}<error-option>stop-on-error</error-option><config>{body}</config></edit-config>"
        )
        if errors := (await self._rpc(request, writer)).errors:
            return errors
        validates = any(name.startswith(VALIDATE) for name in self._netconf.capabilities)
        check = "<validate><source><candidate/></source></validate>"
        if validates and (errors := (await self._rpc(check)).errors):
            return errors
        timer = f"<confirm-timeout>{self._config['confirm']}</confirm-timeout>"
        return (await self._rpc(f"<commit><confirmed/>{timer}</commit>", writer)).errors

    async def _take_back(self, writer: Writer) -> None:
        """Load what was before the commit, and commit that at once."""
        await self._must('<load-configuration rollback="1"/>', writer)
        await self._must("<commit/>", writer)

    def _blame(self, errors: Sequence[Error], ports: Sequence[str], answers: Answers) -> bool:
        """Answer whom errors concern, and whether that could be told; if not, it is all of them."""
        words = "; ".join(dict.fromkeys(str(error).rstrip(".") for error in errors))[:300]
        named = [port for port in ports if any(_names(port, f"{error.place} {error.message}") for error in errors)]
        for port in named or ports:
            answers[port] = Refused(f"Port {port}: the switch refused: {words}.")
        return bool(named)

    async def _lock(self) -> None:
        reply = await self._rpc("<lock>" + _CANDIDATE + "</lock>")
        if reply.errors:
            raise DeviceBusy(f"The configuration of {self._netconf.device} is taken: {reply.errors[0]}.")

    async def _configuration(self) -> Configuration:
        """What is committed, with groups and ranges expanded."""
        return parse.configuration(
            await self._ask(f'<get-configuration database="committed" inherit="inherit">{_PARTS}</get-configuration>')
        )

    async def _candidate(self) -> Configuration:
        """What would be committed now, as it was written."""
        source = "<source><candidate/></source>"
        return parse.configuration(
            await self._ask(f'<get-config>{source}<filter type="subtree">{_PARTS}</filter></get-config>')
        )

    async def _ask(self, operation: str) -> Any:
        reply = await self._rpc(operation)
        if reply.errors:
            raise Refused(f"{self._netconf.device} refused to be read: {reply.errors[0]}.")
        return reply.root

    async def _must(self, operation: str, writer: Writer | None = None) -> None:
        """Do what cannot be left half done: a refusal ends the session, and its candidate with it."""
        reply = await self._rpc(operation, writer)
        if reply.errors:
            raise LostReply(f"{self._netconf.device} refused in the middle of a change: {reply.errors[0]}.")

    async def _rpc(self, operation: str, writer: Writer | None = None) -> Reply:
        return await self._netconf.rpc(operation, writer)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """End the session after a refusal that nobody foresaw, so that the lock goes with it."""
        try:
            yield
        except Refused:
            self._netconf.close()
            raise

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Close after anything but a refusal, a crash and a cancellation included: that drops lock and candidate."""
        guard.device()
        try:
            yield
        except Refused:
            raise
        except BaseException:
            self._netconf.close()
            raise


def _names(port: str, words: str) -> bool:
    """Whether the words are about this port, and not about one whose name only begins alike."""
    at = words.find(port)
    while at >= 0:
        before, after = words[at - 1 : at], words[at + len(port) : at + len(port) + 1]
        if not (before.isalnum() or after.isdigit() or after == ":"):
            return True
        at = words.find(port, at + 1)
    return False


async def open_session(config: Mapping[str, Any]) -> SwitchSession:
    """Log in and open a NETCONF session. Raises DeviceError."""
    ssh = await connect(config)
    try:
        return JunosSession(await open_netconf(ssh), config)
    except BaseException:
        ssh.close()
        raise
