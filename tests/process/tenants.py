"""Two tenants who use machines all the time, before emulated controllers that judge each command (`watch.py`).

All of it lives in one event loop of the test; HIL and obmd are processes. A refusal is an answer, and so is no answer.
What tenants did is kept in `done`, so that a failure can be read.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

import httpx

from tests.obm_side.seats import Kept, Seat
from tests.obm_side.watch import MARK, PEOPLE, WORDS, Watch, Watched, WatchedServer
from tests.process.storm import ADMIN, BMC_PASSWORD, PASSWORD, Site

NODES: Final = ("n0", "n1", "n2")
HANDS: Final = 2
"""Requests of one tenant at a time."""
IN_USE: Final = ("power", "boot", "look", "keep", "keep", "stream", "type", "type", "enable", "use")
Call = tuple[str, str, Any]


class Tenants:
    """The machines, and those who use them while `busy` lasts."""

    def __init__(self, site: Site, watch: Watch, seed: str) -> None:
        self.site, self.watch, self.seed = site, watch, seed
        self.machines: dict[str, Watched] = {}
        self.kept: list[Kept] = []
        self.seats: list[tuple[str, Seat]] = []
        self.answers: Counter[str] = Counter()
        self.done: list[str] = []
        self.http: httpx.AsyncClient

    @asynccontextmanager
    async def there(self) -> AsyncIterator[Tenants]:
        """Put the machines up, each of which says all the time whose it is."""
        async with AsyncExitStack() as stack:
            self.http = await stack.enter_async_context(
                httpx.AsyncClient(base_url=f"http://{self.site.api}", timeout=8, trust_env=False)
            )
            for name in NODES:
                machine = self.machines[name] = Watched(name, self.watch, password=BMC_PASSWORD)
                server = await stack.enter_async_context(WatchedServer(machine))
                await asyncio.to_thread(self.site.know, name)
                await self._register(name, server.address)
            talking = asyncio.create_task(self._talk())
            try:
                yield self
            finally:
                talking.cancel()
                await asyncio.wait({talking})
                await asyncio.gather(*(seat.leave() for _, seat in self.seats))

    async def _register(self, name: str, address: str) -> None:
        config = {"address": address, "password": BMC_PASSWORD, "timeout": 5.0}
        answer = await self.http.put(
            f"http://{self.site.obmd}/v1/nodes/{name}",
            json={"driver": "emulated", "config": config},
            headers={"Authorization": f"Bearer {ADMIN}"},
        )
        assert answer.status_code == 201, answer.text

    async def _talk(self) -> None:
        while True:
            for machine in self.machines.values():
                machine.say()
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        ending = asyncio.Event()
        hands = [
            asyncio.create_task(self._hand(who, random.Random(f"{self.seed} {who} {number}"), ending))
            for who in PEOPLE
            for number in range(HANDS)
        ]
        try:
            yield
        finally:
            ending.set()
            await asyncio.gather(*hands)

    async def _hand(self, who: str, chance: random.Random, ending: asyncio.Event) -> None:
        acts = _acts(chance)
        verb, node = next(acts)
        while not ending.is_set():
            try:
                said = await self.do(who, verb, node, chance.randrange(6))
            except httpx.TransportError:
                said = "no answer"
                await asyncio.sleep(0.2)
            self.answers[f"{verb} {said}"] += 1
            self.done.append(f"{who} {verb} {node}: {said}")
            await asyncio.sleep(chance.uniform(0, 0.08))
            verb, node = acts.send(said)

    async def go_on(self, more: int, *seen: str) -> None:
        """Wait until so many more requests were answered as wished, and each of these was seen."""
        goal = self.fine + more
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                while self.fine < goal or not all(self.watch.counts[what] for what in seen):
                    self.judge()
                    await asyncio.sleep(0.02)

    @property
    def fine(self) -> int:
        return sum(count for said, count in self.answers.items() if said.split()[1] in ("200", "202", "204", "in"))

    async def do(self, who: str, verb: str, node: str, back: int = 0) -> str:
        """One act of a tenant."""
        acts: dict[str, Callable[[], Awaitable[str]]] = {
            "keep": lambda: self._keep(who, node),
            "stream": lambda: self._stream(who, node),
            "use": lambda: self._use(who, back),
            "type": lambda: self._type(who, back),
        }
        if verb in acts:
            return await acts[verb]()
        answer = await self.ask(who, *self._call(who, verb, node))
        return str(answer.status_code)

    def _call(self, who: str, verb: str, node: str) -> Call:
        words, path = WORDS[who], f"/v1/nodes/{node}"
        calls: dict[str, Call] = {
            "allocate": ("POST", f"/v1/projects/{PEOPLE[who]}/allocations", {"nodes": [node]}),
            "release": ("POST", f"{path}/release", None),
            "enable": ("POST", f"{path}/obm/enable", None),
            "disable": ("POST", f"{path}/obm/disable", None),
            "power": ("POST", f"{path}/power", {"action": words["power"]}),
            "boot": ("PUT", f"{path}/boot", {"device": words["boot"]}),
            "look": ("GET", f"{path}/{words['look']}", None),
        }
        return calls[verb]

    async def ask(self, who: str, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.http.request(method, path, json=body, auth=(who, PASSWORD))

    async def _keep(self, who: str, node: str) -> str:
        answer = await self.ask(who, "POST", f"/v1/nodes/{node}/console", {})
        if answer.status_code != 200:
            return str(answer.status_code)
        kept = Kept(who, answer.json()["url"], answer.json()["capability"])
        self.kept.append(kept)
        return await self._sit(kept)

    async def _stream(self, who: str, node: str) -> str:
        answer = await self.ask(who, "GET", f"/v0/node/{node}/console")
        if "location" not in answer.headers:
            return str(answer.status_code)
        kept = Kept(who, answer.headers["location"])
        self.kept.append(kept)
        return await self._sit(kept)

    async def _use(self, who: str, back: int) -> str:
        mine = [kept for kept in self.kept if kept.who == who]
        return await self._sit(mine[-1 - back]) if back < len(mine) else "nothing"

    async def _sit(self, kept: Kept) -> str:
        seat, node = Seat(kept), kept.url.split("/node")[1].lstrip("s/").split("/")[0]
        self.seats.append((node, seat))
        if not kept.ticket:
            await seat.stream()
            return "listens"
        return "in" if await seat.sit() else "out"

    async def _type(self, who: str, back: int) -> str:
        mine = [seat for _, seat in self.seats if seat.kept.who == who and seat.open]
        if back >= len(mine):
            return "nothing"
        await mine[-1 - back].type(WORDS[who]["key"])
        return "typed"

    def judge(self) -> None:
        """Judge what everybody has heard."""
        for node, seat in self.seats:
            self.watch.heard(seat.kept.who, seat.epoch, seat.news(), self.machines[node].unsure)

    async def recorded(self, who: str, node: str) -> bytes:
        """What the recordings hold that a tenant may see, who has the node."""
        ticket = (await self.ask(who, "POST", f"/v1/nodes/{node}/console", {"watch": True})).json()["capability"]
        headers, base = {"Authorization": f"Bearer {ticket}"}, f"http://{self.site.obmd}/v1/nodes/{node}/recordings"
        found = (await self.http.get(base, headers=headers)).json()["items"]
        parts = [await self.http.get(f"{base}/{each['id']}?as=bytes", headers=headers) for each in found]
        return b"".join(part.content for part in parts)

    def foreign(self, who: str, node: str, heard: bytes) -> list[bytes]:
        """Marks in it that were said to somebody else."""
        mine, unsure = PEOPLE[who].encode(), self.machines[node].unsure
        return [owner for owner, _, _, number in MARK.findall(heard) if owner != mine and int(number) not in unsure]


def _acts(chance: random.Random) -> Generator[tuple[str, str], str, None]:
    """What a tenant asks for, being told what came of it: a node, its use, and the way out; never in time."""
    while True:
        node = chance.choice(NODES)
        said = yield "allocate", node
        if said != "200" and chance.random() < 0.7:
            yield chance.choice(("use", "type")), node
            continue
        yield "enable", node
        yield "keep", node
        for verb in chance.sample(IN_USE, chance.randint(2, 5)):
            yield verb, node
        if chance.random() < 0.2:
            yield "disable", node
        yield "release", node
        for verb in chance.sample(("type", "type", "use", "power", "stream", "boot"), 3):
            yield verb, node
