"""Framing and documents: what is whole is answered, what is none ends the session, no entity is ever expanded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.drivers.transport.netconf import Framer, framed
from hil.drivers.xml import child, children, element, parsed, text

MESSAGES = st.lists(st.binary(min_size=1, max_size=40).filter(lambda data: b"]]>" not in data), max_size=4)


@pytest.mark.parametrize("chunked", [False, True])
@given(messages=MESSAGES, cuts=st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_messages_survive_any_cutting(chunked: bool, messages: list[bytes], cuts: list[int]) -> None:
    framer, found = Framer(), []
    framer.chunked = chunked
    stream = b"".join(framed(message, chunked) for message in messages)
    at, turn = 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        framer.feed(stream[at : at + size])
        found += list(framer.messages())
        at, turn = at + size, turn + 1
    assert found == messages


def test_a_message_may_come_in_several_chunks() -> None:
    framer = Framer()
    framer.chunked = True
    framer.feed(b'\n#4\n<rpc\n#18\n message-id="102"\n\n#3\n/>\n\n##\n')
    assert list(framer.messages()) == [b'<rpc message-id="102"\n/>\n']


@pytest.mark.parametrize("data", [b"<rpc/>", b"\n#0\n", b"\n#x\n", b"\n#99999999999\nx", b"\n#9999999999\nx"])
def test_what_is_no_chunk_ends_the_session(data: bytes) -> None:
    framer = Framer()
    framer.chunked = True
    framer.feed(data + b" " * 20)
    with pytest.raises(ValueError, match=r"chunk|end"):
        list(framer.messages())


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
        '<?xml version="1.0"?><!doctype a SYSTEM "file:///etc/passwd"><a/>',
        "<a>&b;</a>",
        "<a>",
        "",
        "words",
    ],
)
def test_what_is_no_plain_document_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r"DTD|XML"):
        parsed(document.encode())


def test_other_encodings_are_refused() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        parsed('<?xml version="1.0" encoding="utf-16"?><a/>'.encode("utf-16"))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_a_value_error(data: bytes) -> None:
    try:
        parsed(data)
    except ValueError:
        return


def test_elements_are_found_by_their_names_alone() -> None:
    root = parsed('<a xmlns="urn:a"><b xmlns="urn:b"><c> 1 </c><c>2</c></b></a>')
    assert text(root, "b", "c") == "1"
    assert [found.text for found in children(root, "b", "c")] == [" 1 ", "2"]
    assert child(root, "x", "y") is None
    assert element("a", "<b/>", message_id="1'<") == '<a message-id="1\'&lt;"><b/></a>'
