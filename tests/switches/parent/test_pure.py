"""The pure part of the driver `hil`: names of networks, the plan of requests, and what any answer is understood as."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.core.errors import BadArgument
from hil.core.model import CLOSED, PortChange, PortState
from hil.drivers.switch.parent import parse, render
from hil.drivers.switch.parent.names import network_of, vlan_of
from hil.drivers.switch.parent.parse import Card, Slot
from hil.drivers.switch.parent.spec import SPEC

TEMPLATE = "vlan-{vlan}"
GOOD = {"url": "https://parent", "api_key": "hil_0_0", "project": "child", "networks": TEMPLATE}
PORT = "node-01/eth0"
VLANS = st.integers(1, 8)


def _state(native: int | None, tagged: frozenset[int]) -> PortState:
    return PortState(native, tagged - {native})


STATES = st.builds(_state, st.none() | VLANS, st.frozensets(VLANS, max_size=4))


def carried(slots: Iterable[Slot]) -> set[tuple[int | None, bool]]:
    return {(vlan_of(TEMPLATE, slot.network), slot.channel == "vlan/native") for slot in slots}


@settings(max_examples=100)
@given(STATES, STATES)
def test_a_plan_leads_from_any_state_to_any_and_no_step_carries_more(have: PortState, want: PortState) -> None:
    held = set(render.slots_of(TEMPLATE, have))
    both = carried(held) | carried(render.slots_of(TEMPLATE, want))
    plan = render.plan(PORT, held, render.slots_of(TEMPLATE, want))
    assert all(step["action"] == "detach" for step in plan.first)
    for part in (plan.first, plan.then):
        touched = [step["network"] for step in part]
        assert len(touched) == len(set(touched)), "the parent would refuse to take a network off and put it back"
        for step in part:
            slot = Slot(step["network"], step["channel"])
            held = held - {slot} if step["action"] == "detach" else held | {slot}
            assert carried(held) <= both
            channels = [slot.channel for slot in held]
            assert len(channels) == len(set(channels)), "a channel was taken before it was free"
    assert parse.observed(TEMPLATE, Card(frozenset(held))).state == want
    assert render.plan(PORT, held, render.slots_of(TEMPLATE, want)) == render.Plan((), ())


@settings(max_examples=100)
@given(STATES)
def test_what_the_parent_shows_of_a_state_is_read_as_that_state(state: PortState) -> None:
    networks = [
        {"channel": slot.channel, "network": slot.network, "state": "attached"}
        for slot in render.slots_of(TEMPLATE, state)
    ]
    shown = {"name": "n", "project": "p", "nics": [{"name": "e", "networks": networks}]}
    assert parse.observed(TEMPLATE, parse.machine(shown).cards["e"]).state == state


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "project", "nics", "networks", "channel", "network", "state", "items", "next", "id"]
            )
            | st.sampled_from(["status", "reason", "actions", "node", "nic", "projects", "role", "owner"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=100)
@given(JSON)
def test_any_answer_is_understood_or_a_value_error(found: Any) -> None:
    for read in (parse.machine, parse.operation, parse.page, parse.owner, lambda each: parse.role(each, "p")):
        try:
            read(found)
        except ValueError:
            continue


@settings(max_examples=50)
@given(st.text(max_size=60))
def test_any_error_page_has_words_or_none(text: str) -> None:
    assert len(parse.problem(text)) == 2


def test_a_problem_is_read_as_its_kind_and_words() -> None:
    assert parse.problem('{"type": "/errors/pending", "detail": "Wait."}') == ("pending", "Wait.")
    assert parse.problem("<html>") == parse.problem("[" * 100_000) == ("", "")


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        ([Slot("vlan-100", "vlan/native", "connecting")], "has not finished connecting network vlan-100"),
        ([Slot("vlan-100", "vlan/native", "detaching")], "has not finished detaching network vlan-100"),
        ([Slot("storage", "vlan/native")], "network storage, which stands for no VLAN here"),
        ([Slot("vlan-0100", "vlan/native")], "stands for no VLAN here"),
        ([Slot("vlan-4095", "vlan/native")], "stands for no VLAN here"),
        ([Slot("vlan-100", "vlan/205")], "network vlan-100 is on vlan/205, and stands for VLAN 100"),
        ([Slot("vlan-100", "vlan/native"), Slot("vlan-100", "vlan/100")], "VLAN 100 is native and tagged"),
    ],
)
def test_what_the_child_cannot_mean_says_why(slots: list[Slot], words: str) -> None:
    found = parse.observed(TEMPLATE, Card(frozenset(slots)))
    assert found.state is None
    assert words in found.reason
    assert slots[0].network in found.raw


def test_a_table_names_networks_both_ways() -> None:
    table = {"100": "storage", "101": "boot"}
    assert network_of(table, 100) == "storage"
    assert network_of(table, 102) is None
    assert vlan_of(table, "boot") == 101
    assert vlan_of(table, "vlan-100") is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"networks": "child"}, "write {vlan} once"),
        ({"networks": "{vlan}{vlan}"}, "write {vlan} once"),
        ({"networks": "a/{vlan}"}, "is no network name"),
        ({"networks": {"0": "a"}}, "VLAN ids"),
        ({"networks": {"0100": "a"}}, "VLAN ids"),
        ({"networks": {"100": "a", "101": "a"}}, "two VLANs cannot stand for one network"),
        ({"networks": {"100": "a"}, "create": True}, "create belongs to"),
        ({"url": "parent"}, "use https://host"),
        ({"url": "ftp://parent"}, "use https://host"),
        ({"url": "https://user@parent"}, "only scheme, host and port"),
        ({"url": "http://parent", "certificate": "AB" * 32}, "belongs to an https address"),
        ({"project": "a/b"}, "is no project name"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(BadArgument, match=words.replace("{", r"\{")):
        SPEC.validate(GOOD | wrong)


def test_a_port_is_a_nic_of_a_node() -> None:
    assert SPEC.port_name(PORT) == PORT
    for wrong in ("node-01", "node-01/", "/eth0", "a/b/c", "a:b/c"):
        with pytest.raises(BadArgument):
            SPEC.port_name(wrong)


def test_requests_are_shown_as_they_are_sent() -> None:
    config = SPEC.validate(GOOD)
    move = PortChange(PORT, PortState(100), PortState(101, frozenset({100})))
    first, then = SPEC.render(config, [move])
    assert first.startswith('POST /v1/network-changes {"changes": [{"action": "detach", "node": "node-01"')
    assert then.count("connect") == 2
    unknown = SPEC.render(config, [PortChange(PORT, None, CLOSED)])
    assert unknown == ["GET /v1/nodes/node-01, and detach everything from node-01/eth0"]
    with pytest.raises(BadArgument, match="no network of the parent stands for VLAN 7"):
        SPEC.render(SPEC.validate(GOOD | {"networks": {"100": "a"}}), [PortChange(PORT, CLOSED, PortState(7))])
