"""One or more requests for every operation of v1, each against the standing world of `test_walk`.

Whoever adds an endpoint adds its examples here, or the walk fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

OPERATION = "{operation}"
KEY = "{key}"
SSH_ID = "{ssh_key}"
SSH_KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 42}B of a test"
PASSWORD = "a brand new password"
SWITCH = {"name": "new", "driver": "mock", "config": {"hostname": "h", "username": "", "password": ""}}


@dataclass(frozen=True)
class Example:
    """`operation` is the operationId; `about` says on what, where that makes a difference."""

    operation: str
    method: str
    path: str
    body: Any = None
    about: str = ""

    @property
    def title(self) -> str:
        return f"{self.operation} {self.about}".strip()


def _connect(node: str, network: str, action: str = "connect") -> dict[str, Any]:
    return {"changes": [{"action": action, "node": node, "nic": "eth0", "network": network}]}


EXAMPLES = [
    Example("root_show", "GET", "/v1"),
    Example("whoami_show", "GET", "/v1/whoami"),
    Example("project_list", "GET", "/v1/projects"),
    Example("project_create", "POST", "/v1/projects", {"name": "new"}),
    Example("project_show", "GET", "/v1/projects/p"),
    Example("project_show", "GET", "/v1/projects/gone", about="absent"),
    Example("project_update", "PATCH", "/v1/projects/p", {"enabled": True}),
    Example("project_delete", "DELETE", "/v1/projects/empty"),
    Example("project_allocate", "POST", "/v1/projects/p/allocations", {"nodes": ["idle"]}, "by name"),
    Example("project_allocate", "POST", "/v1/projects/p/allocations", {"count": 1}, "by selector"),
    Example("project_allocate", "POST", "/v1/projects/p/allocations", {"nodes": ["theirs"]}, "taken"),
    Example("member_list", "GET", "/v1/projects/p/members"),
    Example("member_set", "PUT", "/v1/projects/p/members/eve", {"role": "reader"}, "new"),
    Example("member_set", "PUT", "/v1/projects/p/members/rita", {"role": "manager"}, "there"),
    Example("member_set", "PUT", "/v1/projects/p/members/nobody", {"role": "reader"}, "absent"),
    Example("member_remove", "DELETE", "/v1/projects/p/members/rita"),
    Example("node_list", "GET", "/v1/nodes"),
    Example("node_list", "GET", "/v1/nodes?project=p", about="of a project"),
    Example("node_register", "POST", "/v1/nodes", {"name": "new"}),
    Example("node_show", "GET", "/v1/nodes/mine", about="of p"),
    Example("node_show", "GET", "/v1/nodes/idle", about="free"),
    Example("node_show", "GET", "/v1/nodes/held", about="quarantined"),
    Example("node_show", "GET", "/v1/nodes/gone", about="absent"),
    Example("node_delete", "DELETE", "/v1/nodes/spare"),
    Example("node_delete", "DELETE", "/v1/nodes/gone", about="absent"),
    Example("node_label_set", "PUT", "/v1/nodes/mine/labels/cpu", {"value": "64"}),
    Example("node_label_remove", "DELETE", "/v1/nodes/mine/labels/old"),
    Example("node_metadata_set", "PUT", "/v1/nodes/mine/metadata/a", {"value": 1}),
    Example("node_metadata_remove", "DELETE", "/v1/nodes/mine/metadata/old"),
    Example("nic_register", "POST", "/v1/nodes/mine/nics", {"name": "eth9"}),
    Example("nic_delete", "DELETE", "/v1/nodes/idle/nics/eth0"),
    Example("node_release", "POST", "/v1/nodes/mine/release", about="of p"),
    Example("node_release", "POST", "/v1/nodes/idle/release", about="free"),
    Example("node_release", "POST", "/v1/nodes/gone/release", about="absent"),
    Example("node_quarantine", "POST", "/v1/nodes/mine/quarantine", {"reason": "odd"}),
    Example("node_maintenance", "POST", "/v1/nodes/idle/maintenance", {"reason": "disk"}),
    Example("node_return", "POST", "/v1/nodes/held/return"),
    Example("obm_status", "GET", "/v1/nodes/mine/obm", about="of p"),
    Example("obm_status", "GET", "/v1/nodes/idle/obm", about="free"),
    Example("obm_register", "PUT", "/v1/nodes/mine/obm", {"uri": "https://obmd.example.org"}),
    Example("obm_remove", "DELETE", "/v1/nodes/mine/obm"),
    Example("obm_enable", "POST", "/v1/nodes/mine/obm/enable", about="of p, without one"),
    Example("obm_enable", "POST", "/v1/nodes/idle/obm/enable", about="free, without one"),
    Example("obm_disable", "POST", "/v1/nodes/mine/obm/disable", about="of p"),
    Example("obm_disable", "POST", "/v1/nodes/idle/obm/disable", about="free"),
    Example("console_ticket", "POST", "/v1/nodes/mine/console", {}, "of p, to type"),
    Example("console_ticket", "POST", "/v1/nodes/mine/console", {"watch": True}, "of p, to watch"),
    Example("console_ticket", "POST", "/v1/nodes/idle/console", {}, "free"),
    Example(
        "console_ssh",
        "POST",
        "/v1/nodes/mine/console/ssh",
        {"returned": "forged", "public_key": SSH_KEY, "opens": False},
        "for no obmd",
    ),
    Example("power_show", "GET", "/v1/nodes/mine/power", about="of p"),
    Example("power_show", "GET", "/v1/nodes/idle/power", about="free"),
    Example("power_set", "POST", "/v1/nodes/mine/power", {"action": "on"}, "of p"),
    Example("power_set", "POST", "/v1/nodes/idle/power", {"action": "on"}, "free"),
    Example("power_set_many", "POST", "/v1/power", {"action": "on", "nodes": ["mine"]}, "by name"),
    Example("power_set_many", "POST", "/v1/power", {"action": "on", "selector": "old"}, "by selector"),
    Example("boot_show", "GET", "/v1/nodes/mine/boot"),
    Example("boot_set", "PUT", "/v1/nodes/mine/boot", {"device": "pxe"}),
    Example("sensor_list", "GET", "/v1/nodes/mine/sensors"),
    Example("event_log_list", "GET", "/v1/nodes/mine/event-log"),
    Example("media_list", "GET", "/v1/nodes/mine/media"),
    Example("media_insert", "PUT", "/v1/nodes/mine/media/cd", {"image": "https://images.example.org/a.iso"}),
    Example("media_eject", "DELETE", "/v1/nodes/mine/media/cd"),
    Example("identify_light", "POST", "/v1/nodes/mine/identify", {"seconds": 1}),
    Example("firmware_list", "GET", "/v1/nodes/mine/firmware"),
    Example("ability_list", "GET", "/v1/nodes/mine/capabilities"),
    Example("network_change_start", "POST", "/v1/network-changes", _connect("mine", "net"), "own to own"),
    Example("network_change_start", "POST", "/v1/network-changes", _connect("mine", "shared"), "own to shared"),
    Example("network_change_start", "POST", "/v1/network-changes", _connect("mine", "open"), "own to public"),
    Example("network_change_start", "POST", "/v1/network-changes", _connect("mine", "hidden"), "own to hidden"),
    Example("network_change_start", "POST", "/v1/network-changes", _connect("theirs", "net"), "theirs to own"),
    Example("network_change_start", "POST", "/v1/network-changes", _connect("idle", "net"), "free"),
    Example("network_change_start", "POST", "/v1/network-changes", _connect("wired", "net", "detach"), "detach"),
    Example("network_list", "GET", "/v1/networks"),
    Example("network_list", "GET", "/v1/networks?project=p", about="of a project"),
    Example("network_create", "POST", "/v1/networks", {"name": "new", "owner": "p"}, "of p"),
    Example("network_create", "POST", "/v1/networks", {"name": "new", "owner": None}, "of nobody"),
    Example("network_create", "POST", "/v1/networks", {"name": "new", "owner": "p", "public": True}, "public"),
    Example("network_create", "POST", "/v1/networks", {"name": "new", "owner": "p", "net_id": "777"}, "with an id"),
    Example("network_create", "POST", "/v1/networks", {"name": "new", "owner": "p", "access": ["q"]}, "shared with q"),
    Example("network_show", "GET", "/v1/networks/net", about="of p"),
    Example("network_show", "GET", "/v1/networks/shared", about="of q, shared"),
    Example("network_show", "GET", "/v1/networks/hidden", about="of q, hidden"),
    Example("network_show", "GET", "/v1/networks/open", about="public"),
    Example("network_show", "GET", "/v1/networks/gone", about="absent"),
    Example("network_update", "PATCH", "/v1/networks/net", {"public": True}),
    Example("network_delete", "DELETE", "/v1/networks/unused"),
    Example("network_delete", "DELETE", "/v1/networks/hidden", about="of q, hidden"),
    Example("network_grant", "PUT", "/v1/networks/net/access/empty", about="of p"),
    Example("network_grant", "PUT", "/v1/networks/shared/access/empty", about="of q, shared"),
    Example("network_revoke", "DELETE", "/v1/networks/shared/access/p", about="by the guest"),
    Example("network_revoke", "DELETE", "/v1/networks/unused/access/q", about="by the owner"),
    Example("network_attachments", "GET", "/v1/networks/net/attachments", about="of p"),
    Example("network_attachments", "GET", "/v1/networks/hidden/attachments", about="of q, hidden"),
    Example("operation_list", "GET", "/v1/operations"),
    Example("operation_show", "GET", f"/v1/operations/{OPERATION}"),
    Example("operation_show", "GET", "/v1/operations/00000000-0000-4000-8000-000000000000", about="absent"),
    Example("operation_cancel", "POST", f"/v1/operations/{OPERATION}/cancel"),
    Example("switch_list", "GET", "/v1/switches"),
    Example("switch_register", "POST", "/v1/switches", SWITCH),
    Example("switch_show", "GET", "/v1/switches/sw"),
    Example("switch_show", "GET", "/v1/switches/gone", about="absent"),
    Example("switch_update", "PATCH", "/v1/switches/sw", {"audit": "report"}),
    Example("switch_delete", "DELETE", "/v1/switches/bare"),
    Example("port_list", "GET", "/v1/switches/sw/ports"),
    Example("port_register", "POST", "/v1/switches/sw/ports", {"name": "gi1/0/99"}),
    Example("port_show", "GET", "/v1/switches/sw/ports/gi1/0/1"),
    Example("port_update", "PATCH", "/v1/switches/sw/ports/gi1/0/9", {"locked": True}),
    Example("port_delete", "DELETE", "/v1/switches/sw/ports/gi1/0/9"),
    Example("port_revert_start", "POST", "/v1/switches/sw/revert", {"port": "gi1/0/1"}),
    Example("port_give_up", "POST", "/v1/switches/sw/give-up", {"port": "gi1/0/4", "reason": "burnt"}),
    Example("driver_list", "GET", "/v1/drivers"),
    Example("pool_show", "GET", "/v1/pools/vlan"),
    Example("pool_set", "PUT", "/v1/pools/vlan", {"ids": "100-150"}),
    Example("user_list", "GET", "/v1/users"),
    Example("user_create", "POST", "/v1/users", {"name": "new", "password": PASSWORD}),
    Example("user_show", "GET", "/v1/users/alice", about="alice"),
    Example("user_update", "PATCH", "/v1/users/alice", {"operator": True}, "alice"),
    Example("user_delete", "DELETE", "/v1/users/alice", about="alice"),
    Example("user_password_change", "PUT", "/v1/users/alice/password", {"password": PASSWORD}, "alice"),
    Example("key_list", "GET", "/v1/keys"),
    Example("key_list", "GET", "/v1/keys?user=alice", about="of alice"),
    Example("key_create", "POST", "/v1/keys", {"project": "p", "role": "reader"}, "for p"),
    Example("key_create", "POST", "/v1/keys", {"operator": True}, "for an operator"),
    Example("key_revoke", "DELETE", f"/v1/keys/{KEY}", about="of alice"),
    Example("ssh_key_list", "GET", "/v1/ssh-keys"),
    Example("ssh_key_list", "GET", "/v1/ssh-keys?user=alice", about="of alice"),
    Example("ssh_key_add", "POST", "/v1/ssh-keys", {"public_key": SSH_KEY}),
    Example("ssh_key_remove", "DELETE", f"/v1/ssh-keys/{SSH_ID}", about="of alice"),
    Example("plan_show", "GET", "/v1/plan"),
    Example("trouble_show", "GET", "/v1/trouble"),
    Example("journal_list", "GET", "/v1/journal"),
    Example("event_follow", "GET", "/v1/events"),
]
