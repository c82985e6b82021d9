"""Names, VLAN lists, channels, port states: the small facts that everything stands on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core import guard, names
from hil.core.errors import BadArgument, DeviceError, HilError
from hil.core.model import CLOSED, PortState, Role, channel
from hil.core.secret import Secret
from hil.core.vlans import fold, unfold, vlan_id

VLANS = st.integers(1, 4094)


@given(st.sets(VLANS))
def test_what_was_folded_unfolds_to_the_same_set(ids: set[int]) -> None:
    assert unfold(fold(ids)) == ids


@given(st.text(max_size=12))
def test_unfolding_any_text_answers_a_set_or_says_no(text: str) -> None:
    try:
        ids = unfold(text)
    except BadArgument:
        ids = frozenset()
    assert all(1 <= number <= 4094 for number in ids)


@pytest.mark.parametrize("text", ["0", "4095", "007", " 7", "7 ", "+7", "", "-1", "1e2", "٣", "99999999999999999999"])
def test_only_a_canonical_number_in_range_is_a_vlan_id(text: str) -> None:
    with pytest.raises(BadArgument):
        vlan_id(text)


def test_a_truth_value_is_no_vlan_id() -> None:
    with pytest.raises(BadArgument):
        vlan_id(True)


@pytest.mark.parametrize("text", ["9-3", "1-5000", "a", "1,,2-", "-", "1--2"])
def test_a_broken_list_of_vlans_is_refused(text: str) -> None:
    with pytest.raises(BadArgument):
        unfold(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 65,
        "tab\there",
        "new\nline",
        "nul\0",
        "Ünicode",
        "\u0440aypal",
        "a/b",
        " lead",
        "trail ",
        ".",
        "..",
        "a\u200bb",
    ],
)
def test_a_name_that_could_be_mistaken_is_refused(text: str) -> None:
    with pytest.raises(BadArgument) as caught:
        names.name("node", text)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", ["node01", "a b", "$_.+!*'(),-", "x" * 64, "007"])
def test_a_name_of_the_original_clients_alphabet_is_taken_unchanged(text: str) -> None:
    assert names.name("node", text) == text


@pytest.mark.parametrize(
    ("kind", "word"), [("project", "admin"), ("project", "all"), ("node", "free"), ("node", "all")]
)
def test_a_word_with_a_second_meaning_is_no_name(kind: str, word: str) -> None:
    with pytest.raises(BadArgument):
        names.name(kind, word)


def test_only_ports_may_hold_slashes_and_colons() -> None:
    assert names.port_name("Ethernet1/0/1:2") == "Ethernet1/0/1:2"
    with pytest.raises(BadArgument):
        names.name("switch", "a/b")


@pytest.mark.parametrize("text", ["a:b", "a b", "ä", ""])
def test_a_user_name_survives_http_basic(text: str) -> None:
    with pytest.raises(BadArgument):
        names.user_name(text)


@pytest.mark.parametrize(
    ("key", "value"), [("Cpu", "1"), ("-a", ""), ("a" * 64, ""), ("a", "b" * 64), ("a", "b c"), ("", "")]
)
def test_a_label_outside_the_rule_is_refused(key: str, value: str) -> None:
    with pytest.raises(BadArgument):
        names.label(key, value)


@pytest.mark.parametrize("text", ["vlan/native", "vlan/1", "vlan/4094"])
def test_a_channel_is_the_native_one_or_a_vlan(text: str) -> None:
    assert channel(text) == text


@pytest.mark.parametrize(
    "text", ["", "vlan", "vlan/", "vlan/0", "vlan/007", "vlan/*", "VLAN/native", "null", "vlan/native/1"]
)
def test_anything_else_is_no_channel(text: str) -> None:
    with pytest.raises(BadArgument):
        channel(text)


@given(st.none() | VLANS, st.frozensets(VLANS, max_size=5))
def test_a_port_is_enabled_exactly_when_it_carries_something(native: int | None, tagged: frozenset[int]) -> None:
    if native in tagged:
        with pytest.raises(ValueError, match="native and tagged"):
            PortState(native, tagged)
        return
    state = PortState(native, tagged)
    assert state.enabled == (state != CLOSED) == bool(state.vlans)


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {vars(Secret)}"
    assert secret.reveal() == "hunter2"


def test_roles_are_ordered_and_read_from_words() -> None:
    assert Role.READER < Role.MEMBER < Role.MANAGER
    assert Role.parse("Member") is Role.MEMBER
    with pytest.raises(BadArgument):
        Role.parse("owner")


def test_a_device_is_not_spoken_to_inside_a_transaction() -> None:
    with guard.transaction(), pytest.raises(guard.DeviceInTransaction):
        guard.device()
    guard.device()


def _tree(kind: type[HilError]) -> list[type[HilError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in _tree(child))]


def test_every_error_has_a_type_of_its_own_a_status_and_a_reference_text() -> None:
    kinds = [kind for kind in _tree(HilError) if kind.__module__ == "hil.core.errors"]
    types = [kind.type for kind in kinds]
    assert len(set(types)) == len(types)
    assert all(kind.__doc__ and 400 <= kind.status < 600 for kind in kinds)
    assert all(kind.status == 502 for kind in _tree(DeviceError))
