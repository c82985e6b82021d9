"""A lab's life as a person sees it: up, up again, killed, crashed, down; and nothing left of it, however it ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hil.lab.life import alive
from hil.lab.site import Site
from tests.client.server import MAIN
from tests.lab.terminal import KINDS, Ran, clean, done, hil, programs, run, traces, until


def lab(short_dir: Path, *words: str) -> Ran:
    return run(sys.executable, "-m", "hil.main", "lab", *words, environ={"HIL_LAB": str(short_dir / "lab")})


def all_gone(directory: Path) -> bool:
    return not any(alive(pid) for pid in programs(directory))


@pytest.mark.parametrize("kind", KINDS)
def test_up_shows_what_it_made_and_down_leaves_nothing(short_dir: Path, kind: str) -> None:
    before = traces()
    site = Site(short_dir / "lab")
    began = done(lab(short_dir, "up", f"--{kind}", "--nodes", "3", "--vlans", "200-209"))
    assert site.facts.endpoint in began.out
    assert {"ovs": "Open vSwitch, 3 machines", "plain": "emulated switches, 3 machines"}[kind] in began.out
    assert traces() == before
    assert len(programs(short_dir)) >= {"ovs": 6, "plain": 2}[kind]

    assert "is up already" in done(lab(short_dir, "up", "--nodes", "5")).out
    seen = done(lab(short_dir, "status", "-o", "json")).json
    assert [row["node"] for row in seen["nodes"]] == ["node01", "node02", "node03"]
    assert {row["state"] for row in seen["nodes"]} == {"free"}
    assert [row["settled"] for row in seen["switches"]] == ["2/2", "1/1"]
    assert seen["hears"]["heard"] == seen["faults"] == []
    names = [row["process"] for row in seen["processes"]]
    assert names == ["lab", "hil serve", *({"ovs": ["ovsdb-server", "ovs-vswitchd"], "plain": []}[kind])]
    pids = [row["pid"] for row in seen["processes"]]
    assert all(map(alive, pids))
    assert site.profiles.stat().st_mode & 0o077 == 0
    assert site.facts.factory_pairs == 3

    assert "Nothing is left" in done(lab(short_dir, "down")).out
    assert not any(map(alive, pids))
    assert (list(short_dir.iterdir()), programs(short_dir), traces()) == ([], {}, before)
    assert "No lab is up" in done(lab(short_dir, "down")).out


@pytest.mark.parametrize("kind", KINDS)
def test_a_lab_that_is_killed_takes_everything_with_it_but_its_directory(short_dir: Path, kind: str) -> None:
    site = Site(short_dir / "lab")
    done(lab(short_dir, "up", f"--{kind}", "--nodes", "2"))
    told = site.ask("status")
    os.kill(told["lab"], signal.SIGKILL)
    until(lambda: all_gone(short_dir))
    failed = lab(short_dir, "status")
    assert failed.code == 6
    assert failed.err == f"hil: No lab is up in {site.directory}: `hil lab up` starts one\n"
    assert "Nothing is left" in done(lab(short_dir, "down")).out
    assert list(short_dir.iterdir()) == []


@pytest.mark.net
def test_a_new_lab_replaces_one_that_was_killed(short_dir: Path) -> None:
    site = Site(short_dir / "lab")
    done(lab(short_dir, "up", "--plain", "--nodes", "2"))
    os.kill(site.ask("status")["lab"], signal.SIGKILL)
    until(lambda: all_gone(short_dir))
    done(lab(short_dir, "up", "--plain", "--nodes", "4"))
    assert len(site.facts.wiring) == 4
    done(lab(short_dir, "down"))


@pytest.mark.net
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_lab_as_down_does(short_dir: Path, how: signal.Signals) -> None:
    site = Site(short_dir / "lab")
    done(lab(short_dir, "up", "--plain", "--nodes", "2"))
    os.kill(site.ask("status")["lab"], how)
    until(lambda: all_gone(short_dir))
    assert list(short_dir.iterdir()) == []


@pytest.mark.net
def test_hil_is_started_again_when_it_crashes_and_only_when_wanted_after_a_hold(short_dir: Path) -> None:
    site = Site(short_dir / "lab")
    done(lab(short_dir, "up", "--plain", "--nodes", "2"))
    first = site.ask("status")["hil"]
    assert f"process {first}, was killed" in done(hil(site, "lab", "fault", "crash")).out
    until(lambda: site.ask("status")["serving"] and site.ask("status")["hil"] != first)
    assert site.ask("status")["starts"] == 2
    done(hil(site, "whoami"))

    done(hil(site, "lab", "fault", "crash", "--hold"))
    until(lambda: site.ask("status")["hil"] is None)
    again = hil(site, "lab", "fault", "crash")
    assert again.code == 1
    assert again.err == "hil: HIL is dead already: `hil lab fault recover` starts it again\n"
    shown = done(hil(site, "lab", "status")).out
    assert "HIL does not answer" in shown
    assert "dead, started again once" in shown
    done(hil(site, "lab", "fault", "recover"))
    until(lambda: site.ask("status")["serving"])
    done(hil(site, "whoami"))
    done(lab(short_dir, "down"))


TETHERED = """
import sys
from pathlib import Path
from hil.lab import life
from hil.lab.site import Site
life.begin(Site(Path(sys.argv[1])), "plain", 2, "100-101", lambda words: None, tethered=True)
print("up", flush=True)
sys.stdin.read()
"""


@pytest.mark.net
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_tethered_lab_ends_with_whoever_began_it(short_dir: Path, how: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", TETHERED, str(short_dir / "lab")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean(),
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        owner.send_signal(how)
        owner.wait()
        until(lambda: all_gone(short_dir))
    assert list(short_dir.iterdir()) == []


@pytest.mark.net
def test_a_lab_that_cannot_begin_says_why_and_where_to_look(short_dir: Path) -> None:
    wrong = lab(short_dir, "up", "--plain", "--vlans", "100-4095")
    assert wrong.code == 2
    assert wrong.err.startswith("hil: '4095' is no VLAN id")
    assert list(short_dir.iterdir()) == []

    full = run(
        *("sh", "-c", 'ulimit -f 0; exec "$@"', "sh", sys.executable, "-m", "hil.main", "lab", "up", "--plain"),
        environ={"HIL_LAB": str(short_dir / "lab")},
    )
    assert full.code != 0
    assert len(full.err.splitlines()) == 1
    assert full.err.startswith("hil: ")
    until(lambda: all_gone(short_dir))


@pytest.mark.net
def test_an_interrupted_up_leaves_nothing(short_dir: Path) -> None:
    site = Site(short_dir / "lab")
    words = [sys.executable, "-c", MAIN, "lab", "up", "--plain", "-d", str(site.directory)]
    with subprocess.Popen(words, env=clean(), stderr=subprocess.PIPE, text=True) as up:
        until(site.hil_log.exists)
        up.send_signal(signal.SIGINT)
        _, said = up.communicate()
    assert (up.returncode, said.strip()) == (130, "hil: interrupted")
    until(lambda: all_gone(short_dir))
    assert list(short_dir.iterdir()) == []


@pytest.mark.net
def test_the_callers_own_settings_do_not_reach_the_lab(short_dir: Path) -> None:
    environ = {
        "HIL_LAB": str(short_dir / "lab"),
        "HIL_LISTEN": "192.0.2.1:1",
        "HIL_DATABASE_URL": "postgresql://nobody@192.0.2.1/none",
        "HIL_TOKEN": "not-a-token",
    }
    done(run(sys.executable, "-m", "hil.main", "lab", "up", "--plain", "--nodes", "2", environ=environ))
    done(hil(Site(short_dir / "lab"), "whoami"))
    done(lab(short_dir, "down"))
