"""Passwords at rest: the parameters, what may be one, and decoys that cost what they imitate."""

import argon2
import pytest

from hil.core.errors import BadArgument, Unavailable
from hil.core.secret import Secret
from hil.store import passwords, sha512crypt, tokens
from hil.store.passwords import Passwords
from tests.support.databases import CHEAP


def test_a_new_hash_has_the_documented_parameters() -> None:
    found = argon2.extract_parameters(Passwords().hash(Secret("correct horse")))
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (argon2.Type.ID, 65536, 3, 1)
    assert (found.salt_len, found.hash_len) == (16, 32)


def test_the_right_password_fits_and_a_wrong_one_does_not() -> None:
    stored = CHEAP.hash(Secret("pässwörd \0 \ud800"))
    assert CHEAP.verify(stored, Secret("pässwörd \0 \ud800"))
    assert not CHEAP.verify(stored, Secret("pässwörd"))


def test_other_parameters_are_verified_and_found_outdated() -> None:
    stored = Passwords(time_cost=2, memory_kib=16).hash(Secret("x"))
    assert CHEAP.verify(stored, Secret("x"))
    assert CHEAP.outdated(stored)
    assert CHEAP.outdated("$6$salt$" + "a" * 86)
    assert not CHEAP.outdated(CHEAP.hash(Secret("x")))


@pytest.mark.parametrize("stored", ["", "plain text", "$argon2id$v=19$", "$1$salt$digest"])
def test_a_hash_of_no_known_kind_fits_nothing(stored: str) -> None:
    assert not CHEAP.verify(stored, Secret(""))


def test_a_hash_that_cannot_be_computed_is_no_wrong_password() -> None:
    impossible = CHEAP.hash(Secret("x")).replace("t=1", "t=0")
    with pytest.raises(Unavailable):
        CHEAP.verify(impossible, Secret("x"))


@pytest.mark.parametrize("length", [passwords.LONGEST + 1, 100_000])
def test_a_password_longer_than_any_fits_nothing(length: int) -> None:
    assert not CHEAP.verify(CHEAP.hash(Secret("x" * length)), Secret("x" * length))


@pytest.mark.parametrize("text", ["x" * 8, "ä" * 512, "        ", "p" * 1024])
def test_passwords_that_may_be(text: str) -> None:
    passwords.check(Secret(text))


@pytest.mark.parametrize("text", ["", "seven77", "x" * 1025, "ä" * 513, "key"])
def test_passwords_that_may_not_be(text: str) -> None:
    with pytest.raises(BadArgument) as refusal:
        passwords.check(Secret(text))
    assert text not in refusal.value.message or len(text) < 4


def test_the_original_api_may_set_weak_passwords_but_not_endless_ones() -> None:
    passwords.check(Secret(""), allow_weak=True)
    with pytest.raises(BadArgument):
        passwords.check(Secret("x" * 1025), allow_weak=True)


def test_no_password_looks_like_an_api_key() -> None:
    with pytest.raises(BadArgument):
        passwords.check(tokens.make()[1], allow_weak=True)


@pytest.mark.parametrize(
    "like",
    [CHEAP.hash(Secret("x")), Passwords(time_cost=2, memory_kib=64, parallelism=2).hash(Secret("x"))],
    ids=["cheap", "dearer"],  # the hashes are salted: as ids they would differ from process to process
)
def test_a_decoy_costs_what_it_imitates_and_no_password_opens_it(like: str) -> None:
    decoy = CHEAP.decoy(like)
    assert argon2.extract_parameters(decoy) == argon2.extract_parameters(like)
    assert decoy != like
    assert not CHEAP.verify(decoy, Secret("x"))


def test_a_decoy_of_an_imported_hash_has_its_rounds() -> None:
    like = "$6$rounds=1234$somesalt$" + "a" * 86
    rounds, salt = sha512crypt.parameters(CHEAP.decoy(like)) or (0, "")
    assert rounds == 1234
    assert salt != "somesalt"
    assert not CHEAP.verify(CHEAP.decoy(like), Secret("x"))


@pytest.mark.parametrize("like", [None, "", "unreadable"])
def test_a_decoy_of_nothing_costs_what_a_new_hash_costs(like: str | None) -> None:
    assert argon2.extract_parameters(CHEAP.decoy(like)) == argon2.extract_parameters(CHEAP.hash(Secret("x")))


def test_a_token_comes_apart_again_and_only_its_own_secret_fits() -> None:
    public_id, token, stored = tokens.make()
    parsed = tokens.parse(token.reveal())
    assert parsed is not None
    assert parsed[0] == public_id
    assert tokens.fits(parsed[1], stored)
    other = tokens.parse(tokens.make()[1].reveal())
    assert other is not None
    assert not tokens.fits(other[1], stored)
    assert parsed[1].reveal() not in stored


@pytest.mark.parametrize("text", ["", "hil_", "hil_x_y", "HIL_" + "0" * 16 + "_" + "0" * 64, "gAAAAABk"])
def test_other_text_is_no_token(text: str) -> None:
    assert tokens.parse(text) is None
    token = tokens.make()[1].reveal()
    assert tokens.parse(token + "\n") is None
    assert tokens.parse(token[:-1]) is None


def test_an_actor_tells_the_key_that_it_came_with() -> None:
    assert tokens.public_id(tokens.via("0123")) == "0123"
    assert tokens.public_id("basic") is None
