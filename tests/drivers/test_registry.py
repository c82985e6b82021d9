"""Which drivers are found, and what happens to those that cannot be."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from hil.core.devices import Nativeless
from hil.core.errors import BadArgument
from hil.drivers import registry
from hil.drivers.registry import capabilities_of, find, open_session_function, switch_spec
from hil.drivers.switch.emulated.spec import SPEC as EMULATED
from hil.drivers.switch.mock.session import open_session
from hil.drivers.switch.mock.spec import SPEC, MockSpec


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, registry.GROUP)


MOCK = point("mock", "hil.drivers.switch.mock.spec:SPEC")


def test_the_drivers_of_this_package_are_found_by_their_entry_points() -> None:
    assert {"emulated", "mock", "ovs"} <= set(registry.switch_specs())
    assert not set(registry.broken_switches()) & {"emulated", "mock", "ovs"}
    assert switch_spec("mock") is SPEC


def test_what_was_found_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        registry.switch_specs()["other"] = SPEC  # type: ignore[index]  # that it cannot is what is tested


def test_an_unknown_driver_is_answered_with_those_there_are() -> None:
    with pytest.raises(BadArgument, match=r"'nexus' is no switch driver: use one of .*emulated, .*mock"):
        switch_spec("nexus")


def test_drivers_are_found_by_the_type_of_the_original_api() -> None:
    assert registry.spec_by_v0_type("mock") is SPEC
    for unknown in ("emulated", "None", "haas"):
        with pytest.raises(BadArgument, match=r"is no switch type: use one of .*mock"):
            registry.spec_by_v0_type(unknown)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (point("third", "no.such.module:SPEC"), "ModuleNotFoundError"),
        (point("third", "hil.drivers.switch.mock.spec:NOTHING"), "AttributeError"),
        (point("third", "hil.core.names:name"), "no spec: it lacks name, title"),
        (point("third", "hil.drivers.switch.mock.spec:SPEC"), "calls itself 'mock'"),
        (point("third", "tests.drivers.explosive:SPEC"), "ZeroDivisionError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_driver_is_reported_by_name_and_the_others_work(bad: EntryPoint, reason: str) -> None:
    found = find([bad, MOCK])
    assert list(found.specs) == ["mock"]
    assert list(found.broken) == ["third"]
    assert reason in found.broken["third"]


def test_asking_for_a_broken_driver_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find([point("third", "no.such.module:SPEC"), MOCK])
    monkeypatch.setattr(registry.DRIVERS, "_kept", found)
    with pytest.raises(BadArgument, match="third is installed but broken; usable are: mock") as error:
        switch_spec("third")
    assert "ModuleNotFoundError" in error.value.detail


def test_a_name_that_two_packages_claim_belongs_to_neither() -> None:
    found = find(
        [MOCK, MOCK, point("mock", "evil.package:SPEC"), point("emulated", "hil.drivers.switch.emulated.spec:SPEC")]
    )
    assert list(found.specs) == ["emulated"]
    assert "claimed by" in found.broken["mock"]
    assert list(find([MOCK, MOCK]).specs) == ["mock"]


def test_a_session_is_found_by_its_path() -> None:
    assert open_session_function(SPEC) is open_session


@pytest.mark.parametrize("path", ["no.such.module:open", "hil.core.names:open_session", "nonsense", ""])
def test_a_session_that_is_not_there_is_our_error(path: str) -> None:
    with pytest.raises(BadArgument, match="mock cannot be used here"):
        open_session_function(MockSpec(session=path))


def test_the_configuration_may_decide_what_a_switch_can_do() -> None:
    assert capabilities_of(EMULATED, {"nativeless": "no"}).nativeless is Nativeless.NO
    assert capabilities_of(EMULATED, {}) == EMULATED.capabilities
    assert capabilities_of(SPEC, {"nativeless": "no"}) == SPEC.capabilities


def test_specs_are_found_without_loading_anything_that_can_speak_to_a_device() -> None:
    program = (
        "import sys; from hil.drivers import registry; registry.switch_specs();"
        "print([name for name in sys.modules if name.startswith('hil.') and"
        " (name.endswith('.session') or '.transport' in name)])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
