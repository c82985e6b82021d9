"""Faults that were seen in other software for these platforms, each with the test that ours does not share it.

The faults are of HIL's original at commit 8c6de221, of networking-generic-switch and of well-known collections, as they
were met on devices or read in the sources; their consequences are in the words below. A test that is renamed or deleted
shows here.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FAULTS: dict[str, tuple[str, ...]] = {
    "Open vSwitch: reverting a port leaves neither tag nor trunks, and it forwards every VLAN": (
        "ovs/test_rows.py::test_a_row_carries_the_vlans_of_its_state_and_no_other",
        "ovs/test_frames.py::test_closed_ports_are_silent_whatever_is_sent",
    ),
    "Open vSwitch: removing the last trunk VLAN opens all": (
        "ovs/test_rows.py::test_no_write_opens_a_vlan_outside_old_and_new",
    ),
    "VDX: plain trunk mode always has a native VLAN, and forwards its tagged frames": (
        "switches/slx/test_session.py::test_a_port_ends_without_a_default_native_and_its_vlans_exist",
        "switches/slx/test_requests.py::test_every_body_is_well_formed_and_no_port_ever_becomes_a_plain_trunk",
    ),
    "VDX: the status of `remove all VLANs` is ignored": (
        "switches/slx/test_session.py::test_removing_all_vlans_is_checked_as_any_request",
    ),
    "VDX: the request that adds a VLAN is malformed XML": (
        "switches/slx/test_requests.py::test_every_body_is_well_formed_and_no_port_ever_becomes_a_plain_trunk",
    ),
    "NX-OS: a dummy VLAN up to 4096 is accepted": (
        "switches/nxos/test_lines.py::test_a_dummy_that_is_no_vlan_of_ours_is_refused",
    ),
    "NX-OS: the last port of an output is skipped": (
        "switches/nxos/test_lines.py::test_the_last_port_of_an_output_is_read_as_well",
    ),
    "NX-OS: a native VLAN that is not allowed breaks the reading": (
        "switches/nxos/test_lines.py::test_a_native_that_is_not_allowed_is_none_and_breaks_nothing",
    ),
    "NX-OS, IOS: an empty list is written as `no switchport trunk allowed vlan`, which means all": (
        "switches/nxos/test_lines.py::test_nothing_is_said_that_falls_back_to_more",
        "switches/ios/test_lines.py::test_nothing_is_said_that_falls_back_to_more",
        "switches/test_dell_settings.py::test_nothing_is_said_that_falls_back_to_more",
    ),
    "IOS: a long list is refused as a bad one": (
        "switches/ios/test_lines.py::test_long_lists_are_cut_before_the_switch_refuses_them",
        "switches/nxos/test_lines.py::test_long_lists_are_cut_before_the_switch_refuses_them",
    ),
    "CLI: prompts are expected loosely, so that output can look like one": (
        "switches/cli/test_shell.py::test_only_the_prompt_of_this_device_ends_an_output",
    ),
    "CLI: command errors are never checked": (
        "switches/cli/test_shell.py::test_lines_end_with_the_first_that_is_refused",
    ),
    "CLI: one session for each channel, no batch": (
        "switches/cli/test_sessions.py::test_a_batch_is_one_session_and_writes_only_differences",
        "switches/test_dell.py::test_a_batch_is_one_session_and_one_save",
    ),
    "Everywhere: nothing is read back": (
        "switches/cli/test_sessions.py::test_a_lie_is_seen_when_it_is_read_back",
        "switches/test_dell.py::test_a_lie_is_seen_in_the_read_back",
    ),
    "Everywhere: no port is made an edge port": (
        "switches/ios/test_lines.py::test_a_port_is_an_edge_port_that_negotiates_nothing",
        "switches/nxos/test_lines.py::test_a_port_is_an_edge_port",
    ),
    "Everywhere: members of a port channel are written": (
        "switches/cli/test_sessions.py::test_a_member_of_an_aggregation_is_read_as_one_and_never_written",
        "switches/test_dell.py::test_a_member_of_an_aggregation_is_declined_and_never_written",
        "switches/eos/test_session.py::test_a_member_of_a_port_channel_is_never_written",
        "switches/slx/test_session.py::test_a_member_of_a_port_channel_is_never_written",
        "switches/nvue/test_session.py::test_a_member_of_a_bond_is_never_written",
    ),
    "Host names and users are pasted into a command line, and passwords stand in logs": (
        "switches/cli/test_ssh.py::test_no_log_holds_a_secret",
        "switches/cli/test_ssh.py::test_another_host_key_is_told_from_everything_else_before_the_password_leaves",
    ),
}


def functions_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_test_shows_that_ours_lacks_it(fault: str) -> None:
    for shown in FAULTS[fault]:
        path, _, name = shown.partition("::")
        assert name in functions_of(ROOT / path), shown
