"""The watch over unmarked tests, run on tests of its own in a pytest of its own."""

import subprocess
import sys
from pathlib import Path

from tests.structure.source import TOP

SAMPLE = """
import socket, time
import pytest

def bind():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))

def test_binds(): bind()
def test_sleeps(): time.sleep(0.001)
def test_yields(): time.sleep(0)
def test_swallows():
    try: bind()
    except RuntimeError: pass
@pytest.mark.net
def test_marked():
    bind()
    time.sleep(0.001)
"""


def test_a_test_that_opens_a_socket_or_sleeps_must_say_so(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((TOP / "tests" / "conftest.py").read_text())
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = net: x\n  ovs: x\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:schemathesis",
        "-rA",
        str(tmp_path),
    ]
    lines = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True).stdout.splitlines()
    outcome = {line.split("::")[1].split()[0]: line.split()[0] for line in lines if "::" in line and line[0] in "FP"}
    failed, passed = "FAILED", "PASSED"
    assert outcome == {
        "test_binds": failed,
        "test_sleeps": failed,
        "test_swallows": failed,
        "test_yields": passed,
        "test_marked": passed,
    }
