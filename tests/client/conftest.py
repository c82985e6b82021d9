"""Loads the server that tests of the client and of the command line speak to."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.client.server")
