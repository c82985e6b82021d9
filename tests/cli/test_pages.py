"""The pages for users are true: the reference is what the commands say, the first network can be made as told."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import clean
from tests.client.server import LISTENING, MAIN, PASSWORD

TOP = Path(__file__).resolve().parents[2]
PAGES = TOP / "docs" / "users"


def test_the_reference_is_what_the_commands_say() -> None:
    spec = importlib.util.spec_from_file_location("cli_pages", TOP / "tools" / "generators" / "cli.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert (TOP / generator.OUTPUT).read_text() == generator.text(), "`make fmt` renews it"


def commands() -> list[str]:
    """Every line of the shell blocks of the page."""
    blocks = re.findall(r"^```bash\n(.*?)^```", (PAGES / "first-network.md").read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_a_first_network_takes_five_commands() -> None:
    text = (PAGES / "first-network.md").read_text().split("## ")[0]
    first = re.findall(r"^hil .*", text, re.MULTILINE)[:5]
    assert first[0].startswith("hil serve")
    assert first[4].startswith("hil network create")


@pytest.mark.net
def test_the_first_network_is_made_as_the_page_says(tmp_path: Path) -> None:
    """Every command of the page, in a shell; only the address differs, since the usual one may be taken."""
    program = tmp_path / "hil"
    program.write_text(f"#!{sys.executable}\n{MAIN}\n")
    program.chmod(0o755)
    environ = clean({"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "HIL_ADMIN_PASSWORD": PASSWORD})
    serving = {**environ, "STATE_DIRECTORY": str(tmp_path / "state"), "HIL_LISTEN": "127.0.0.1:0"}
    serve, *others = commands()
    with subprocess.Popen(serve.split(), env=serving, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = next(found[1] for line in server.stderr if (found := LISTENING.search(line)))
            # Whatever else the server says must not fill its pipe.
            drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)
            typing = {**environ, "HIL_PASSWORD": PASSWORD, "HIL_ENDPOINT": f"http://{address}"}
            shown = ""
            for number, command in enumerate(others):
                now = dict(typing)
                if number:  # as on the page: the password is given once, and never again
                    del now["HIL_PASSWORD"]
                done = subprocess.run(["bash", "-c", command], env=now, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"{command}: {done.stderr}"
                shown += done.stdout
        finally:
            server.terminate()
    drain.wait(30)
    assert shown.count("attached") == 2
    assert shown.rstrip().splitlines()[-1].endswith("free")
