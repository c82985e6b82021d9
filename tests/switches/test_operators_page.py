"""The operators' page of switches: its outputs are what comes out, and it names every error and every finding."""

import pytest

from hil.admin.switch_ask import REMEDIES
from hil.admin.wiring_compare import WARNINGS, What
from tests.switches.page import PAGE, outputs, sections

TEXT = PAGE.read_text()
DRIVERS = sorted(sections(TEXT))


@pytest.mark.net
@pytest.mark.parametrize("driver", DRIVERS)
def test_what_the_page_shows_is_what_comes_out(driver: str) -> None:
    found = outputs(TEXT, driver)
    assert len(found) >= 3
    for (begin, end), said in found.items():
        assert TEXT[begin:end] == said, "`python -m tests.switches.page` writes the page anew"


def test_three_platforms_are_shown_each_with_what_can_go_wrong() -> None:
    assert len(DRIVERS) >= 3
    for driver in DRIVERS:
        shown = "".join(piece.text for piece in sections(TEXT)[driver] if piece.kind == "text")
        assert "answers: " in shown
        assert "hil-admin: Switch " in shown


def test_every_way_to_fail_and_every_finding_is_explained() -> None:
    assert [what for _, what, _ in REMEDIES if f"`{what}`" not in TEXT] == []
    assert [kind for kind in What if f"`{kind}`" not in TEXT] == []
    assert [kind for kind in What if (f"| `{kind}` | warning |" in TEXT) is not (kind in WARNINGS)] == []
