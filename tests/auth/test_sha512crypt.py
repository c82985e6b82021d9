"""The `$6$` hashes of imported users. Vectors: those published with the specification, then some made with glibc."""

import pytest

from hil.store import sha512crypt

VECTORS = [
    (
        "Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    (
        "Hello world!",
        "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/"
        "y3RnOaw5v.",
    ),
    (
        "This is just a test",
        "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl"
        "8audkUEm0",
    ),
    (
        "the minimum number is still observed",
        "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaH"
        "HrsX.",
    ),
    (
        "",
        "$6$rounds=1042$NaCl$Qisy0EWduScI/o/.Kv0Ot3vuAkICAjxVjUhd2VF99t52OHF4xBDoiqK1C5G25/DqCzhZ7uT7DQWVLOV.0xa7/1",
    ),
    (
        "pässwörd",
        "$6$rounds=1042$NaCl$OnteIei6wS8hW94PZ/FnzpzQCqlsP/wgRgYS8bcitwls/m5wMf4Y6fJAk7eaqAUyCw7LEFQR33n9TuXLbXh7C/",
    ),
    (
        "x" * 130,
        "$6$rounds=1042$NaCl$DGgl1AAHi5Cei6xJjmNK1B5kUht6FlIXNUlvF1XQblrzZdLYn3a9ebDgoBpEI75vTmFGB8TovBdzdlHMps3p90",
    ),
    (
        "hello",
        "$6$rounds=656000$abcdefgh$D2Sgyxy5Q0mrKjiQpKDTFyMVBGGIZB9nab8ljZOMQgxtgaWhZLoSETaBqtJqvgu3I/GOs1uFxJddp8UYeFg"
        "jl/",
    ),
]


@pytest.mark.parametrize(("password", "stored"), VECTORS)
def test_the_password_of_a_vector_fits_and_another_does_not(password: str, stored: str) -> None:
    assert sha512crypt.verify(stored, password.encode())
    assert not sha512crypt.verify(stored.replace("rounds=656000", "rounds=1000"), password.encode() + b"x")


def test_one_changed_letter_of_the_digest_refuses() -> None:
    password, stored = VECTORS[0]
    for place in (-1, -43, -86):
        letter = "A" if stored[place] != "A" else "B"
        changed = stored[:place] + letter + (stored[place + 1 :] if place != -1 else "")
        assert not sha512crypt.verify(changed, password.encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$6$",
        "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8",
        "$6$salt$short",
        "$6$rounds=6000000$salt$" + "a" * 86,
        "$6$seventeenletters.$" + "a" * 86,
        "$6$rounds=x$salt$" + "a" * 86,
    ],
)
def test_what_is_no_such_hash_fits_nothing(text: str) -> None:
    assert sha512crypt.parameters(text) is None
    assert not sha512crypt.verify(text, b"")


def test_rounds_below_the_least_are_the_least() -> None:
    assert sha512crypt.parameters("$6$rounds=10$salt$" + "a" * 86) == (1000, "salt")
    assert sha512crypt.parameters("$6$salt$" + "a" * 86) == (5000, "salt")
