"""What holds for every test: no sockets and no sleeping in a test that is not marked `net`; Hypothesis profiles.

The watch sees what Python code does (sockets bound or connected, `time.sleep`) while the body of a test runs. It looks
neither into fixtures, which may start servers, nor into C libraries.
"""

import os
import sys
import time
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Machines are shared and slow at times: a deadline per example would measure them and not us.
settings.register_profile("test", deadline=None, print_blob=True)
settings.register_profile(
    "soak", deadline=None, print_blob=True, max_examples=5000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("soak" if os.environ.get("HIL_SOAK") else "test")


class Watch:
    """Stop what an unmarked test may not do, and remember it in case the code under test swallows the error."""

    def __init__(self) -> None:
        self.active = False
        self.seen: list[str] = []
        self._sleep = time.sleep

    def stop(self, what: str) -> None:
        self.seen.append(what)
        raise RuntimeError(f"{what} in a test without @pytest.mark.net")

    def hook(self, event: str, _args: tuple[Any, ...]) -> None:
        if self.active and event in {"socket.bind", "socket.connect"}:
            self.stop(event)

    def sleep(self, seconds: float) -> None:
        if self.active and seconds > 0:
            self.stop("time.sleep")
        self._sleep(seconds)


watch = Watch()
sys.addaudithook(watch.hook)
time.sleep = watch.sleep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    watch.seen.clear()
    watch.active = item.get_closest_marker("net") is None and item.get_closest_marker("ovs") is None
    try:
        result = yield
    finally:
        watch.active = False
    if watch.seen:
        pytest.fail(f"{watch.seen[0]} in a test without @pytest.mark.net", pytrace=False)
    return result
