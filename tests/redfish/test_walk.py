"""The policy as a caller of Redfish meets it: every method of every path, asked by every kind of caller."""

from __future__ import annotations

import pytest

from tests.obm_side.world import ObmWorld
from tests.redfish.walk import GOLDEN, table
from tests.redfish.world import Tenant

pytestmark = pytest.mark.net


def test_everybody_is_answered_as_the_golden_table_says(world: ObmWorld, redfish: Tenant) -> None:
    assert table(redfish).splitlines() == GOLDEN.read_text().splitlines()


def test_redfish_is_not_in_the_openapi_document(world: ObmWorld) -> None:
    assert [path for path in world.hil.promise.document["paths"] if path.startswith("/redfish")] == []
