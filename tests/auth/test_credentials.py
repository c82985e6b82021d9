"""Headers, taken apart."""

import base64

import pytest

from hil.auth.credentials import Credentials
from hil.core.errors import Unauthenticated
from hil.core.secret import Secret


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("raw", "user", "password"),
    [
        (b"ann:secret", "ann", "secret"),
        (b"ann:", "ann", ""),
        (b":secret", "", "secret"),
        (b"ann:with:colons", "ann", "with:colons"),
        ("ann:pässwörd".encode(), "ann", "pässwörd"),
        ("ann:pässwörd".encode("latin-1"), "ann", "pässwörd"),
        (b"a\0b:c\0d", "a\0b", "c\0d"),
    ],
)
@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC "])
def test_basic_is_read_as_the_rfc_says(raw: bytes, user: str, password: str, scheme: str) -> None:
    found = Credentials.of({"authorization": f"{scheme} {encoded(raw)}"}, "192.0.2.1")
    assert (found.user, found.password, found.token) == (user, Secret(password), None)
    assert found.remote == "192.0.2.1"


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic !!!", "Basic " + encoded(b"nocolon"), "Digest abc", "abc", "Basic YQ", "Basic é"],
)
def test_a_garbled_header_is_refused(header: str) -> None:
    with pytest.raises(Unauthenticated):
        Credentials.of({"authorization": header}, "")


def test_tokens_come_as_bearer_or_x_auth_token() -> None:
    assert Credentials.of({"authorization": "Bearer abc"}, "").token == Secret("abc")
    assert Credentials.of({"x-auth-token": "abc"}, "").token == Secret("abc")


def test_the_authorization_header_goes_first() -> None:
    found = Credentials.of({"authorization": "Basic " + encoded(b"a:b"), "x-auth-token": "abc"}, "")
    assert (found.user, found.token) == ("a", None)


def test_a_request_without_credentials_has_none() -> None:
    found = Credentials.of({"accept": "*/*"}, "192.0.2.1")
    assert (found.user, found.password, found.token) == (None, None, None)


def test_no_secret_shows_when_credentials_are_printed() -> None:
    for header in ("Basic " + encoded(b"ann:hunter22"), "Bearer hunter22"):
        text = repr(Credentials.of({"authorization": header}, ""))
        assert "hunter22" not in text
        assert encoded(b"ann:hunter22") not in text
