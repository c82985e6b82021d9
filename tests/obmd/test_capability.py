"""Capabilities: what is signed is what is read, and nothing else is accepted."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.errors import BadArgument, Unauthenticated
from hil.core.secret import Secret
from hil.services import capability
from hil.services.capability import LONGEST_LIFE, SKEW, Capability, Right, Signer, Verifier, key_id, new_key

SIGNER = Signer(new_key())
VERIFIER = Verifier([SIGNER.public])
NOW = 1_800_000_000
ONE = Capability(
    node="n1", project="lab", user="ann", epoch=3, rights=frozenset({Right.POWER, Right.READ}),
    issued=NOW, expires=NOW + 300,
)  # fmt: skip
TOKEN = SIGNER.issue(ONE).reveal()


def refused(token: str, now: float = NOW, verifier: Verifier = VERIFIER) -> None:
    with pytest.raises(Unauthenticated, match="not valid: ask HIL for a new one") as found:
        verifier.verify(token, now)
    assert found.value.detail.isidentifier()  # the name of a class, and nothing of the token


@given(
    st.builds(
        Capability,
        node=st.text(max_size=64),
        project=st.text(max_size=64),
        project_id=st.integers(0, 2**60),
        user=st.text(max_size=64),
        epoch=st.integers(0, 2**60),
        rights=st.frozensets(st.sampled_from(Right)),
        issued=st.just(NOW),
        expires=st.integers(NOW + 1, NOW + LONGEST_LIFE),
    )
)
def test_what_was_signed_is_what_is_read(one: Capability) -> None:
    assert VERIFIER.verify(SIGNER.issue(one).reveal(), NOW) == one


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_any_other_character_breaks_it(at: int, character: str) -> None:
    changed = TOKEN[:at] + character + TOKEN[at + 1 :]
    if changed != TOKEN:
        refused(changed)


@given(st.text())
def test_text_is_no_capability(text: str) -> None:
    refused(text)


@pytest.mark.parametrize(
    "token",
    ["", "hilcap1", "hilcap1..", f"{TOKEN}=", f" {TOKEN}", f"{TOKEN}\n", TOKEN.replace("hilcap1", "hilcap2")],
)
def test_another_spelling_is_refused(token: str) -> None:
    refused(token)


def test_the_last_bits_of_a_part_have_one_spelling() -> None:
    head, last = TOKEN[:-1], TOKEN[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same = [
        letter
        for letter in alphabet
        if base64.urlsafe_b64decode(f"{head}{letter}==".rpartition(".")[2])
        == base64.urlsafe_b64decode(f"{TOKEN}==".rpartition(".")[2])
    ]
    assert len(same) > 1
    for letter in same:
        if letter != last:
            refused(head + letter)


def signed(payload: bytes) -> str:
    """Sign any bytes with HIL's key, as an attacker could not."""
    text = f"hilcap1.{capability._encode(payload)}"
    return f"{text}.{capability._encode(SIGNER._key.sign(text.encode()))}"


GOOD: dict[str, Any] = json.loads(capability._decode(TOKEN.split(".")[1]))


def _canonical(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":"), sort_keys=True).encode()


def test_the_payload_is_what_the_documentation_says() -> None:
    expected = {
        "node": "n1", "project": "lab", "user": "ann", "epoch": 3, "rights": ["power", "read"],
        "iat": NOW, "exp": NOW + 300, "kid": SIGNER.kid,
    }  # fmt: skip
    assert expected == GOOD
    numbered = GOOD | {"pid": 7}
    assert VERIFIER.verify(signed(_canonical(numbered)), NOW) == replace(ONE, project_id=7)
    assert VERIFIER.verify(signed(_canonical(GOOD)), NOW) == ONE


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": True},
        {"epoch": "3"},
        {"epoch": -1},
        {"epoch": 3.0},
        {"node": 1},
        {"user": None},
        {"rights": "power"},
        {"rights": ["everything"]},
        {"rights": ["read", "power"]},
        {"rights": ["power", "power"]},
        {"extra": 1},
        {"pid": 0},
        {"pid": -1},
        {"pid": True},
        {"pid": "7"},
        {"exp": NOW},
        {"exp": NOW + LONGEST_LIFE + 1},
        {"iat": NOW + SKEW + 1, "exp": NOW + 60},
        {"kid": "0" * 16},
        {"kid": None},
    ],
    ids=str,
)
def test_a_payload_of_another_shape_is_refused_though_it_is_signed(change: dict[str, Any]) -> None:
    refused(signed(_canonical(GOOD | change)))


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{}", b"[" * 2000, json.dumps(GOOD).encode()])
def test_json_that_is_written_in_another_way_is_refused(payload: bytes) -> None:
    refused(signed(payload))


@pytest.mark.parametrize(
    ("now", "good"),
    [
        (NOW - SKEW - 1, False),
        (NOW - SKEW, True),
        (NOW, True),
        (NOW + 300 + SKEW - 1, True),
        (NOW + 300 + SKEW, False),
    ],
)
def test_it_is_good_for_its_time_and_the_skew_of_clocks(now: float, good: bool) -> None:
    if good:
        assert VERIFIER.verify(TOKEN, now) == ONE
    else:
        refused(TOKEN, now)


def test_keys_are_rotated_by_giving_both() -> None:
    newer = Signer(new_key())
    both = Verifier([newer.public, SIGNER.public])
    assert both.verify(TOKEN, NOW) == both.verify(newer.issue(ONE).reveal(), NOW) == ONE
    refused(TOKEN, verifier=Verifier([newer.public]))
    refused(TOKEN, verifier=Verifier([]))
    assert newer.kid != SIGNER.kid == key_id(SIGNER.public)


@pytest.mark.parametrize("life", [0, -1, LONGEST_LIFE + 1])
def test_what_nobody_would_accept_is_not_signed(life: int) -> None:
    with pytest.raises(BadArgument, match="lives at least 1"):
        SIGNER.issue(replace(ONE, expires=NOW + life))


def test_names_that_are_too_long_are_not_signed() -> None:
    with pytest.raises(BadArgument, match="too long"):
        SIGNER.issue(replace(ONE, user="ü" * 1000))


@pytest.mark.parametrize("key", ["", "short", "=" * 43, "A" * 44, "ü" * 43, "A" * 42 + "B"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(BadArgument, match="32 bytes in base64url"):
        Signer(Secret(key))
    with pytest.raises(BadArgument, match="32 bytes in base64url"):
        Verifier([key])
