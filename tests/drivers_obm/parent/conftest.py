"""The parent of these tests is the HIL, the obmd and the machines of `tests.obm_side`."""

from tests.obm_side.conftest import obmd_store, pytest_configure, small_world

__all__ = ["obmd_store", "pytest_configure", "small_world"]
