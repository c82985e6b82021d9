"""The page of settings is the one that the models make."""

import importlib.util

from tests.structure.source import TOP


def test_the_page_of_settings_is_up_to_date() -> None:
    path = TOP / "tools" / "generators" / "configuration.py"
    spec = importlib.util.spec_from_file_location("configuration_page", path)
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert (TOP / generator.OUTPUT).read_text() == generator.text(), "run `make fmt`"
