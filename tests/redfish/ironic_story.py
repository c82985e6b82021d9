"""Ironic, standalone and without authentication, takes a HIL node through its life: prints as JSON what it saw.

python ironic_story.py FACTS: a JSON file with url, ca, user, password, other (a node of somebody else), home, port.
Nothing of HIL is known to it but the address of a Redfish service.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import openstack
import requests

facts = json.loads(Path(sys.argv[1]).read_text())
HOME, PROGRAMS = Path(facts["home"]), Path(sys.executable).parent
API = f"http://127.0.0.1:{facts['port']}"
CONFIGURATION = f"""
[DEFAULT]
auth_strategy = noauth
rpc_transport = none
host = localhost
my_ip = 127.0.0.1
log_file = {HOME}/ironic.log
state_path = {HOME}/state
enabled_hardware_types = redfish
enabled_boot_interfaces = pxe,redfish-virtual-media
enabled_deploy_interfaces = direct
enabled_inspect_interfaces = redfish,no-inspect
enabled_management_interfaces = redfish
enabled_power_interfaces = redfish
enabled_network_interfaces = noop
enabled_vendor_interfaces = no-vendor
enabled_bios_interfaces = no-bios
enabled_firmware_interfaces = no-firmware
enabled_raid_interfaces = no-raid
default_network_interface = noop
[api]
host_ip = 127.0.0.1
port = {facts["port"]}
[database]
connection = sqlite:///{HOME}/ironic.db
[conductor]
automated_clean = false
[dhcp]
dhcp_provider = none
[pxe]
tftp_root = {HOME}/tftp
images_path = {HOME}/images
tftp_master_path = {HOME}/tftp/master
instance_master_path = {HOME}/images/master
[deploy]
http_root = {HOME}/httpboot
http_url = http://127.0.0.1:9
fast_track = false
[oslo_concurrency]
lock_path = {HOME}/lock
"""


def wait_for_api(server):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if server.poll() is not None:
            raise SystemExit("Ironic ended: " + (HOME / "ironic.log").read_text()[-3000:])
        try:
            if requests.get(f"{API}/v1/drivers", timeout=5).json()["drivers"]:
                return
        except (requests.ConnectionError, KeyError, ValueError):
            pass
        time.sleep(0.2)
    raise SystemExit("Ironic does not answer")


def enrol(bare, name, node):
    info = {
        "redfish_address": facts["url"],
        "redfish_system_id": f"/redfish/v1/Systems/{node}",
        "redfish_username": facts["user"],
        "redfish_password": facts["password"],
        "redfish_verify_ca": facts["ca"],
    }
    return bare.create_node(
        name=name, driver="redfish", driver_info=info, provision_state="enroll", inspect_interface="redfish"
    )


def story(bare):
    seen = {}
    node = enrol(bare, "mine", "n1")
    seen["manageable"] = bare.set_node_provision_state(node, "manage", wait=True, timeout=60).provision_state
    bare.set_node_provision_state(node, "inspect", wait=True, timeout=60)
    seen["properties"] = bare.get_node(node).properties
    seen["ports"] = [port.address for port in bare.ports(node=node.id)]
    seen["available"] = bare.set_node_provision_state(node, "provide", wait=True, timeout=60).provision_state
    bare.set_node_power_state(node, "power on", wait=True, timeout=60)
    seen["on"] = bare.get_node(node).power_state
    bare.set_node_boot_device(node, "pxe", persistent=False)
    seen["boot"] = bare.get_node_boot_device(node)
    bare.set_node_power_state(node, "power off", wait=True, timeout=60)
    seen["off"] = bare.get_node(node).power_state
    other = enrol(bare, "other", facts["other"])
    try:
        bare.set_node_provision_state(other, "manage", wait=True, timeout=60)
        seen["other"] = "managed"
    except openstack.exceptions.SDKException:
        seen["other"] = bare.get_node(other).last_error
    return seen


def main():
    configuration = HOME / "ironic.conf"
    configuration.write_text(CONFIGURATION)
    where = ["--config-file", str(configuration)]
    for name in ("tftp", "images", "httpboot", "state"):
        (HOME / name).mkdir()
    subprocess.run([PROGRAMS / "ironic-dbsync", *where, "create_schema"], check=True, capture_output=True)
    server = subprocess.Popen([PROGRAMS / "ironic", *where], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_api(server)
        print(json.dumps(story(openstack.connect(auth_type="none", endpoint=API).baremetal)))
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


main()
