"""What travels between the emulated driver and the lab's switch: nothing is lost, nothing malformed gets in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.errors import DeviceBusy, DeviceError, LeaseLost, LoginRefused, Refused, Unreachable
from hil.core.model import Observed, PortState
from hil.drivers.switch.emulated import wire

VLANS = st.integers(1, 4094)
STATES = st.builds(
    lambda native, tagged: PortState(native, tagged - {native}), st.none() | VLANS, st.frozensets(VLANS, max_size=8)
)
OBSERVED = st.builds(Observed, STATES) | st.builds(Observed, st.none(), st.text(), st.text())
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["ok", "1-4", "refused"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ok", "error", "words", "refused", "atomicity", "reason", "raw", "a"]), inner, max_size=3
        )
    ),
)


@given(st.dictionaries(st.text(), OBSERVED, max_size=3))
def test_what_is_read_arrives_as_it_was(ports: dict[str, Observed]) -> None:
    assert wire.ports_in({port: wire.observed_out(observed) for port, observed in ports.items()}) == ports


@given(JSON)
def test_whatever_a_peer_answers_is_understood_or_a_value_error(found: Any) -> None:
    def decode() -> None:
        wire.ports_in(found)

    for attempt in (
        decode,
        lambda: wire.atomicity_in(found),
        lambda: wire.refusals_in(found, {"a": PortState()}),
        lambda: wire.reply_in(found if isinstance(found, dict) else {"ok": found}),
    ):
        try:
            attempt()
        except (ValueError, DeviceError):
            continue


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        [1],
        ["1", ""],
        [True, ""],
        [1, "1"],
        [4095, ""],
        [0, ""],
        [1, "2-x"],
        [1, "4095"],
        [1, 2],
        {"reason": 1},
    ],
)
def test_what_is_no_state_of_a_port_is_a_value_error(found: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        wire.ports_in({"a": found})


@pytest.mark.parametrize("error", [Refused("no"), DeviceBusy("no"), LoginRefused("no"), LeaseLost("no")], ids=repr)
def test_what_a_device_says_arrives_as_the_same_error(error: DeviceError) -> None:
    with pytest.raises(type(error)) as found:
        wire.reply_in(wire.error_out(error))
    assert type(found.value) is type(error)
    assert found.value.message == "no"


def test_a_refusal_of_a_port_that_was_not_written_is_a_value_error() -> None:
    wants = {"a": PortState(1), "b": PortState(1)}
    refused = wire.refusals_in({"refused": {"a": "% No"}}, wants)
    assert (str(refused["a"]), refused["b"]) == ("% No", None)
    with pytest.raises(ValueError, match="other ports"):
        wire.refusals_in({"refused": {"c": "% No"}}, wants)


def test_what_cannot_be_said_in_words_is_not_sent() -> None:
    with pytest.raises(StopIteration):
        wire.error_out(Unreachable("gone"))
