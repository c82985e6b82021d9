"""Two workers on one PostgreSQL: one dies or stands still in the middle of a batch, the other takes over."""

import signal

import pytest
from sqlalchemy import select

from hil.services import attach, node
from hil.store.tables import Lane, Switch
from tests.crash.site import PORTS, Site
from tests.crash.test_kill import until

pytestmark = [pytest.mark.net, pytest.mark.timeout(300)]
SLOW = 0.4


def owner(site: Site) -> str | None:
    query = select(Lane.owner).join(Switch, Switch.id == Lane.switch_id).where(Switch.name == "s0")
    return site.store.read(lambda session: session.scalars(query).one())


def batch_under_way(site: Site) -> int:
    """Ask for a change of every port of `s0`, and wait until the first one is written; answers the fence."""
    names = [f"s0n{number}" for number in range(PORTS)]
    site.do(lambda ctx: [node.node_allocate(ctx, "red", name) for name in names])
    site.park.slow("s0", SLOW)
    device = site.park.switches["s0"]
    before = len(device.writes())
    site.do(lambda ctx: attach.network_change(ctx, [attach.Change(name, "e0", "red-net") for name in names]))
    assert until(lambda: len(device.writes()) > before)
    return device.writes()[-1].fence or 0


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_another_worker_takes_over_and_the_first_one_writes_no_more(postgres_site: Site, end: signal.Signals) -> None:
    site = postgres_site
    for name in ("first", "second"):
        site.start("worker", name)
    assert until(lambda: not site.pending()), site.pending()
    old = batch_under_way(site)
    holder = site.running[owner(site) or ""]
    holder.signal(end)
    assert until(lambda: not site.pending()), site.pending()
    device = site.park.switches["s0"]
    done = [entry.fence or 0 for entry in device.writes()]
    assert max(done) > old
    if end is signal.SIGSTOP:
        holder.signal(signal.SIGCONT)
        holder.wait_for(r"lane \d+: .*lease")
        assert until(lambda: not site.pending()), site.pending()
    fences = [entry.fence or 0 for entry in device.writes()]
    assert fences == sorted(fences), "an older writer wrote after a newer one"
    assert site.differing() == []
    assert not site.verified().fault
