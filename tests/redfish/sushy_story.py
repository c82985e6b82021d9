"""A tenant's program with sushy, run in the peers' environment: prints as JSON what it saw.

python sushy_story.py FACTS: a JSON file with url, ca, user, password, other (a node of somebody else).
"""

import json
import sys
from pathlib import Path

import sushy
from sushy import auth, exceptions

facts = json.loads(Path(sys.argv[1]).read_text())
seen = {}
for kind in (auth.SessionAuth, auth.BasicAuth):
    root = sushy.Sushy(facts["url"], auth=kind(facts["user"], facts["password"]), verify=facts["ca"])
    systems = root.get_system_collection()
    paths = list(systems.members_identities)
    told = seen[kind.__name__] = {"systems": paths}
    system = root.get_system(paths[0])
    told["macs"] = list(system.ethernet_interfaces.summary)
    told["memory"] = system.memory_summary.size_gib
    told["processors"] = len(system.processors.get_members())
    told["power"] = []
    for word in (sushy.RESET_ON, sushy.RESET_FORCE_RESTART, sushy.RESET_FORCE_OFF):
        system.reset_system(word)
        system.refresh(force=True)
        told["power"].append(system.power_state.value)
    system.set_system_boot_options(sushy.BOOT_SOURCE_TARGET_PXE, sushy.BOOT_SOURCE_ENABLED_CONTINUOUS)
    system.refresh(force=True)
    told["boot"] = [system.boot.target.value, system.boot.enabled.value]
    system.set_system_boot_options(enabled=sushy.BOOT_SOURCE_ENABLED_DISABLED)
    media = {each.identity: each for each in system.managers[0].virtual_media.get_members()}
    media["cd"].insert_media("http://images.example.org/a.iso")
    media["cd"].refresh(force=True)
    told["media"] = [media["cd"].image, media["cd"].inserted]
    media["cd"].eject_media()
    media["cd"].refresh(force=True)
    told["ejected"] = media["cd"].image
    try:
        root.get_system(f"/redfish/v1/Systems/{facts['other']}")
        told["other"] = "found"
    except exceptions.ResourceNotFoundError:
        told["other"] = "absent"
    if kind is auth.SessionAuth:
        root._auth.close()
print(json.dumps(seen))
