"""Grades: our drivers all have one without a gap, and a file that could mislead is refused."""

from importlib.metadata import entry_points

import pytest

from hil.core.errors import BadArgument
from hil.drivers import quality
from hil.drivers.quality import CRITERIA, FILE, Mark, Status, checked, grade
from hil.drivers.registry import GROUP, broken_switches
from tests.structure.source import TOP

OURS = sorted(point.name for point in entry_points(group=GROUP) if point.dist is not None and point.dist.name == "hil")
WHOLE = "[grade]\n" + "".join(f'{name} = "done"\n' for name in CRITERIA)


@pytest.mark.parametrize("driver", OURS)
def test_every_driver_of_ours_can_be_loaded_and_leaves_nothing_to_do(driver: str) -> None:
    assert driver not in broken_switches()
    marks = grade(driver)
    assert marks is not None
    assert [name for name, mark in marks.items() if mark.status is Status.MISSING] == []


def test_there_are_drivers_to_be_graded() -> None:
    assert {"ovs", "emulated", "mock", "hil"} <= set(OURS)


def test_each_file_lies_beside_a_spec() -> None:
    folders = [path.parent for path in (TOP / "src" / "hil" / "drivers" / "switch").glob(f"*/{FILE}")]
    assert folders
    assert [folder.name for folder in folders if not (folder / "spec.py").exists()] == []


def test_a_grade_holds_every_criterion_in_order() -> None:
    marks = checked(WHOLE.replace('lag = "done"', 'lag = { exempt = "it\\n has none" }'), "x")
    assert list(marks) == list(CRITERIA)
    assert marks["lag"] == Mark(Status.EXEMPT, "it has none")
    assert marks["save"] == Mark(Status.DONE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[grade", "x: "),
        ("", "one table [grade], and nothing else"),
        (WHOLE + "[more]\n", "one table [grade], and nothing else"),
        ("grade = 1\n", "one table [grade], and nothing else"),
        (WHOLE + 'beauty = "done"\n', "x: 'beauty' is no criterion."),
        (WHOLE.replace('lag = "done"\n', ""), "x: lag is not judged."),
        (WHOLE.replace('lag = "done"', 'lag = "exempt"'), 'x: lag is "done", "todo" or { exempt = "reason" }.'),
        (WHOLE.replace('lag = "done"', "lag = true"), "x: lag is"),
        (WHOLE.replace('lag = "done"', 'lag = { exempt = " " }'), "x: lag is"),
        (WHOLE.replace('lag = "done"', 'lag = { exempt = "a", todo = "b" }'), "x: lag is"),
    ],
)
def test_a_file_with_a_fault_is_refused_and_the_fault_named(text: str, words: str) -> None:
    with pytest.raises(BadArgument) as found:
        checked(text, "x")
    assert words in found.value.message


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(BadArgument) as found:
        checked('[grade]\nbeauty = "done"\n', "x")
    assert len(found.value.message.splitlines()) == len(CRITERIA) + 1


def test_a_driver_that_is_not_installed_has_no_grade() -> None:
    assert grade("nobody") is None


def test_a_package_is_found_for_modules_of_every_place() -> None:
    assert quality._package("hil.drivers.switch.ovs.spec") == "hil.drivers.switch.ovs"
    assert quality._package("hil.drivers.switch.ovs") == "hil.drivers.switch.ovs"
    assert quality._package("this") == ""
    assert quality._package("no.such.module") == ""
