"""A boot service in a node: dnsmasq, which answers DHCP and TFTP on that node's own cable and nowhere else.

Whoever shares a network with the node can boot from it, as from a tenant's own head node. A machine that boots gets a
script for iPXE, which says who it is and from where it was booted, and stays at iPXE's prompt. The service runs in the
node's namespace and ends with the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hil.core.errors import Unavailable
from hil.lab.ovs.datacentre import DataCentre
from hil.lab.ovs.layout import SUBNET
from hil.lab.site import NIC

PROGRAM: Final = "dnsmasq"
ROUTER: Final = "fd00:77::1/64"
SCRIPT: Final = """#!ipxe
echo
echo This is ${{net0/mac}} with the address ${{net0/ip}}.
echo It was booted over the network by {node}, at ${{next-server}}.
shell
"""


def booted_by(node: str) -> str:
    """What a machine says once it has booted from a node."""
    return f"It was booted over the network by {node}, at"


def start(centre: DataCentre, node: str, directory: Path, script: str | None = None) -> None:
    """Serve a boot script from a node, its files in `directory`; what served there before ends.

    Raises Unavailable with dnsmasq's words.
    """
    stop(centre, node, directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / "boot.ipxe").write_text(SCRIPT.format(node=node) if script is None else script)
    (directory / "boot.ipxe").chmod(0o644)  # as root, dnsmasq serves only what everybody may read (dnsmasq(8))
    (directory / "dnsmasq.conf").write_text(_configuration(centre.address((node, NIC)), directory))
    # Where the kernel has IPv6, a router that tells itself saves iPXE a search of 13 seconds.
    centre.run(node, "sh", "-c", _IPV6.format(nic=NIC, router=ROUTER))
    status, out, err = centre.run(node, PROGRAM, f"--conf-file={directory / 'dnsmasq.conf'}")
    if status:
        raise Unavailable(f"{node} serves nothing to boot from: {(err or out).strip()}")


def stop(centre: DataCentre, node: str, directory: Path) -> None:
    """End it; that it does not run is no error."""
    pid = directory / "dnsmasq.pid"
    if pid.exists():
        centre.run(node, "sh", "-c", _END, "sh", str(pid))
        centre.run(node, "sh", "-c", _QUIET.format(nic=NIC))
        pid.unlink(missing_ok=True)


@contextmanager
def serving(centre: DataCentre, node: str, directory: Path, script: str | None = None) -> Iterator[None]:
    """The same, for as long as the block lasts."""
    start(centre, node, directory, script)
    try:
        yield
    finally:
        stop(centre, node, directory)


_END: Final = 'read -r pid <"$1" && kill "$pid" && while kill -0 "$pid"; do sleep 0.01; done'
"""It removes its own file as it ends, or that of whoever comes after it: so it is waited for."""
_QUIET: Final = "echo 1 >/proc/sys/net/ipv6/conf/{nic}/disable_ipv6"
_IPV6: Final = """cd /proc/sys/net/ipv6/conf/{nic} && echo 0 >disable_ipv6 && echo 0 >accept_dad &&
ip -6 address replace {router} dev {nic} nodad"""


def _configuration(address: str, directory: Path) -> str:
    """The lines of dnsmasq.conf (dnsmasq(8)). The range is the node's own 256 addresses, but for the first."""
    network = address.rpartition(".")[0]
    return f"""interface={NIC}
bind-interfaces
except-interface=lo
port=0
user=root
no-resolv
no-hosts
no-ping
leasefile-ro
dhcp-authoritative
dhcp-range={network}.100,{network}.199,{SUBNET.netmask},1h
dhcp-match=set:ipxe,175
dhcp-option=tag:ipxe,encap:175,176,1b
dhcp-boot=tag:ipxe,boot.ipxe,,{address}
enable-ra
dhcp-range=fd00:77::,ra-only
enable-tftp
tftp-root={directory}
pid-file={directory / "dnsmasq.pid"}
log-facility={directory / "dnsmasq.log"}
log-dhcp
"""
