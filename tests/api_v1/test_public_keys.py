"""SSH public keys are read with the fingerprint that everybody prints, and refused with a clear word."""

import base64

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.api.public_key import KINDS, LONGEST, PublicKey, public_key
from hil.core.errors import BadArgument

PLAIN = [
    asyncssh.generate_private_key("ssh-ed25519"),
    asyncssh.generate_private_key("ecdsa-sha2-nistp256"),
    asyncssh.generate_private_key("ecdsa-sha2-nistp384"),
    asyncssh.generate_private_key("ecdsa-sha2-nistp521"),
    asyncssh.generate_private_key("ssh-rsa", key_size=2048),
]


def string(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def line(kind: str, *parts: bytes) -> str:
    return f"{kind} {base64.b64encode(string(kind.encode(), *parts)).decode()}"


TOKENS = [
    line("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:"),
    line("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", PLAIN[1].public_data[-65:], b"ssh:"),
]


@pytest.mark.parametrize("private", PLAIN, ids=lambda key: str(key.get_algorithm()))
def test_what_ssh_makes_is_read(private: asyncssh.SSHKey) -> None:
    text = private.export_public_key().decode()
    read = public_key(text.strip() + " ann at home\n")
    assert read == PublicKey(text.strip(), private.get_fingerprint(), "ann at home")


@pytest.mark.parametrize("text", TOKENS)
def test_keys_of_hardware_tokens_are_read(text: str) -> None:
    assert public_key(text) == PublicKey(text, asyncssh.import_public_key(text).get_fingerprint(), "")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "is a line like"),
        ("ssh-ed25519", "damaged"),
        ("ssh-dss AAAA", "is a line like"),
        ('command="/bin/sh" ' + TOKENS[0], "is a line like"),
        (TOKENS[0] + "\n" + TOKENS[1], "is a line like"),
        (TOKENS[0] + " \x1b[2J", "is a line like"),
        (TOKENS[0] + " " * LONGEST + "x", "is a line like"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        ("ssh-ed25519 AAAA", "damaged"),
        ("ssh-ed25519 !!!!", "damaged"),
        (line("ssh-ed25519", bytes(31)), "damaged"),
        (line("ssh-ed25519", bytes(32), b""), "damaged"),
        ("ssh-rsa" + line("ssh-ed25519", bytes(32))[11:], "damaged"),
        (line("ecdsa-sha2-nistp256", b"nistp384", b"\4" + bytes(96)), "damaged"),
        (line("ecdsa-sha2-nistp256", b"nistp256", b"\2" + bytes(32)), "damaged"),
        (line("ssh-rsa", b"\1\0\1", b"\0" + b"\x80" * 128), "1024 bits is too short"),
    ],
)
def test_what_is_no_key_is_refused_with_a_reason(text: str, word: str) -> None:
    with pytest.raises(BadArgument, match=word):
        public_key(text)


@given(st.sampled_from(sorted(KINDS)), st.lists(st.binary(max_size=70), max_size=4), st.binary(max_size=5))
def test_any_bytes_are_judged(kind: str, parts: list[bytes], tail: bytes) -> None:
    text = f"{kind} {base64.b64encode(string(kind.encode(), *parts) + tail).decode()}"
    try:
        read = public_key(text)
    except BadArgument:
        return
    assert read.line == text


@given(st.text(max_size=300))
def test_any_text_is_judged(text: str) -> None:
    with pytest.raises(BadArgument):
        public_key(text)
