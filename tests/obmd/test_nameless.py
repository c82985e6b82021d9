"""No caller is told where a controller is."""

from __future__ import annotations

import pytest

from hil.core.errors import LostReply, Unreachable
from hil.obmd.nameless import Nameless


@pytest.mark.parametrize(
    ("controller", "words", "told"),
    [
        ("ipmi://10.1.0.11:623", "No line to 10.1.0.11:623: no answer.", "No line to the controller: no answer."),
        ("ipmi://[fd00::7]:623", "[fd00::7]:623 stopped answering.", "The controller stopped answering."),
        ("ipmi://[fd00::7]:623", "fd00::7:623 stopped answering.", "The controller stopped answering."),
        ("redfish://bmc7.lab.example:443", "BMC7.lab.example:22 is gone.", "The controller is gone."),
        ("127.0.0.1:4711", "127.0.0.1:4711 said no: 127.0.0.1", "The controller said no: the controller"),
        ("10.1.0.1:623", "10.1.0.11, x10.1.0.1y and 210.1.0.1.", "10.1.0.11, x10.1.0.1y and 210.1.0.1."),
        ("obmd+https://old.example:5002/node/n1", "old.example:5002 broke off.", "The controller broke off."),
        ("here", "Somebody else is there.", "Somebody else is there."),
    ],
)  # fmt: skip
def test_an_address_is_taken_out_of_the_words_and_kept_in_the_detail(controller: str, words: str, told: str) -> None:
    error = Nameless(controller).told(Unreachable(words, detail="OSError"))
    assert (error.message, str(error)) == (told, told)
    assert error.detail == ("OSError" if words == told else f"{words} OSError")


def test_what_is_raised_is_told_without_the_address_too() -> None:
    with pytest.raises(LostReply, match=r"^The controller is gone\.$"), Nameless("10.1.0.11:623").telling():
        raise LostReply("10.1.0.11:623 is gone.")
