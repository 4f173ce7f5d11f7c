"""The lab's networks: sites that reach nobody but by the hub, with whole packets on their links."""

import pytest

from tests.lab.child_program import told_by

pytestmark = pytest.mark.network

HEAD = """
import json, os, socket, struct
from pathlib import Path
from foundation.errors import ResourceError, RightsError
from lab.fleet.kernel import enter_new_user
from lab.fleet.networks import MAC, SITE_INTERFACE, enter_hub, inside, make_sites
def here():
    return os.readlink("/proc/self/ns/net")
def names():
    return sorted(name for _, name in socket.if_nameindex())
"""
SITES = """
outside = here()
enter_hub()
hub = here()
a, b = make_sites([("a", ["10.0.0.1", "2001:db8::1"]), ("b", ["10.0.0.2"])])
found = {"names": [a.name, b.name], "moved": hub != outside, "stayed": here() == hub}
found["hub"] = names()
found["links"] = [socket.if_indextoname(site.hub_interface) for site in (a, b)]
with inside(a):
    found["of a"] = names()
    first = here()
    with inside(b):
        second = here()
    found["apart"] = len({hub, first, second}) == 3 and here() == first
    for family, source, target in (
        (socket.AF_INET, "10.0.0.1", "10.0.0.2"),
        (socket.AF_INET6, "2001:db8::1", "2001:db8::2"),
    ):
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.connect((target, 9))
            found[target] = trial.getsockname()[0]
found["back"] = here() == hub
with inside(b), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as trial:
    try:
        trial.connect(("2001:db8::1", 9))
        found["IPv6 of b"] = True
    except OSError:
        found["IPv6 of b"] = False
print(json.dumps(found))
"""
PACKETS = """
enter_hub()
a, b = make_sites([("a", ["10.0.0.1"]), ("b", ["10.0.0.2"])])
caught = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
caught.settimeout(60)  # a hang, not slowness
with inside(b):
    heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard.bind(("10.0.0.2", 7000))
    heard.setblocking(False)
with inside(a), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.sendto(bytes(range(200)), ("10.0.0.2", 7000))
frame, (interface, *_) = caught.recvfrom(4096)
datagram = frame[34:]
words = frame[26:34] + struct.pack("!HH", 17, len(datagram)) + datagram
total = sum(struct.unpack(f"!{len(words) // 2}H", words))
while total >> 16:
    total = (total & 0xFFFF) + (total >> 16)
try:
    arrived = bool(heard.recv(4096))
except BlockingIOError:
    arrived = False
print(json.dumps({
    "by": interface == socket.if_indextoname(a.hub_interface),
    "to": frame[:6].hex(":") == MAC,
    "from": frame[6:12].hex(":") == MAC,
    "checksum": total == 0xFFFF,
    "payload": datagram[8:] == bytes(range(200)),
    "forwarded by the kernel": arrived,
}))
"""
REFUSED = """
enter_hub()
hub = here()
try:
    make_sites([("a", ["10.0.0.1"]), ("b", ["10.0.0.300"])])
except ResourceError as error:
    print(json.dumps({"back": here() == hub, "en": error.text.en, "zh": error.text.zh}))
"""
NO_RIGHTS = """
try:
    enter_new_user()
    for limit in ("user", "net"):
        Path(f"/proc/sys/user/max_{limit}_namespaces").write_text("0")
except OSError as error:
    print(json.dumps({"unknown here": str(error)}))
    raise SystemExit
try:
    enter_hub()
except RightsError as error:
    print(json.dumps({"en": error.text.en, "zh": error.text.zh}))
"""


def test_every_site_has_a_network_of_its_own_with_one_link_to_the_hub(namespaces: None) -> None:
    found = told_by(HEAD + SITES)
    assert found["names"] == ["a", "b"]
    assert found["moved"]
    assert found["stayed"]
    assert found["hub"] == ["lo", *sorted(found["links"])]
    assert len(set(found["links"])) == 2
    assert found["of a"] == ["lo", "wan0"]
    assert found["apart"]
    assert found["back"]


def test_a_site_reaches_the_world_from_its_own_addresses_alone(namespaces: None) -> None:
    found = told_by(HEAD + SITES)
    assert found["10.0.0.2"] == "10.0.0.1"
    assert found["2001:db8::2"] == "2001:db8::1"
    assert not found["IPv6 of b"]  # it has no such address


def test_what_leaves_a_site_is_a_finished_packet_that_the_kernel_carries_nowhere(
    namespaces: None,
) -> None:
    assert told_by(HEAD + PACKETS) == {
        "by": True,
        "to": True,
        "from": True,
        "checksum": True,
        "payload": True,
        "forwarded by the kernel": False,
    }


def test_a_network_that_cannot_be_built_is_told_of_from_the_hub(namespaces: None) -> None:
    found = told_by(HEAD + REFUSED)
    assert found["back"]
    assert "could not be built" in found["en"]
    assert "无法建立" in found["zh"]


def test_who_may_make_no_networks_is_told_how_to_permit_it(namespaces: None) -> None:
    found = told_by(HEAD + NO_RIGHTS)
    if "unknown here" in found:
        pytest.skip(f"nobody can be forbidden networks here: {found['unknown here']}")
    assert "Run it as root" in found["en"]
    assert "root" in found["zh"]
