"""chronyd's command protocol: golden bytes, arbitrary bytes, and a real chronyd."""

import math
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import RemoteProtocolError
from probes.clocks.chrony import (
    PACKET_BYTES,
    Tracking,
    float_of_chrony,
    read_tracking_reply,
    tracking_request,
)


def _chrony_float(value: float) -> int:
    """Encode as chrony's util.c does: the smallest exponent that keeps 24 bits of coefficient."""
    if value == 0:
        return 0
    exponent = max(-64 + 25, math.frexp(value)[1] + 1)
    coefficient = round(math.ldexp(value, 25 - exponent))
    return (exponent & 0x7F) << 25 | coefficient & 0x1FFFFFF


def _reply(sequence: int = 7, **changes: float) -> bytes:
    values = {
        "offset": 0.0,
        "last": 0.0,
        "rms": 0.0,
        "freq": 0.0,
        "resid": 0.0,
        "skew": 0.5,
        "delay": 0.004,
        "dispersion": 0.001,
        "interval": 64.0,
    } | changes
    head = struct.pack("!BBBBHHHHHHIII", 6, 2, 0, 0, 33, 5, 0, 0, 0, 0, sequence, 0, 0)
    body = struct.pack(
        "!I16sHHHHIII", 0xC0A80001, bytes(16), 1, 0, 2, 0, 0, 1_700_000_000, 500_000_000
    )
    return head + body + b"".join(struct.pack("!I", _chrony_float(v)) for v in values.values())


def _tracking(**changes: float) -> Tracking:
    fields: dict[str, float] = {
        "reference_id": 0xC0A80001,
        "stratum": 2,
        "leap": 0,
        "reference_time_ns": 1_700_000_000_000_000_000,
        "offset_s": -1e-4,
        "root_delay_s": 4e-3,
        "root_dispersion_s": 1e-3,
        "update_interval_s": 64.0,
        "skew_ppm": 0.5,
    } | changes
    return Tracking(**fields)  # type: ignore[arg-type]  # a dict of mixed int and float


NOW_NS = 1_700_000_010_000_000_000


def test_the_request_is_as_long_as_the_reply_and_asks_for_tracking() -> None:
    request = tracking_request(7)
    assert len(request) == PACKET_BYTES
    assert request[:12].hex() == "060100000021000000000007"


def test_a_reply_is_read_field_by_field() -> None:
    tracking = read_tracking_reply(_reply(offset=-2.5e-4), 7)
    assert tracking.reference_id == 0xC0A80001
    assert (tracking.stratum, tracking.leap) == (2, 0)
    assert tracking.reference_time_ns == 1_700_000_000_500_000_000
    assert tracking.offset_s == pytest.approx(-2.5e-4, rel=1e-6)
    assert tracking.root_delay_s == pytest.approx(0.004, rel=1e-6)


def test_the_bound_is_offset_and_dispersion_and_half_the_root_delay() -> None:
    assert _tracking().bound_ns() == pytest.approx(1e5 + 1e6 + 2e6)


def test_a_disciplined_clock_is_synchronised() -> None:
    assert _tracking().is_synchronised(NOW_NS)


@pytest.mark.parametrize(
    "changes",
    [
        {"leap": 3},
        {"reference_id": 0},
        {"reference_id": 0x7F7F0101, "root_delay_s": 0.0, "root_dispersion_s": 0.0},
        {"update_interval_s": 0.0},
        {"reference_time_ns": NOW_NS - 3_600_000_000_000},
    ],
    ids=["leap", "no reference", "local stratum", "never updated", "silent for an hour"],
)
def test_a_clock_that_nothing_disciplines_is_not_synchronised(changes: dict[str, float]) -> None:
    assert not _tracking(**changes).is_synchronised(NOW_NS)


@given(st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-12))
def test_chrony_floats_come_back_within_their_precision(value: float) -> None:
    assert float_of_chrony(_chrony_float(value)) == pytest.approx(value, rel=2**-22, abs=1e-15)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_tracking_state_or_a_protocol_error(packet: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_tracking_reply(packet, 123_456)


def test_the_answer_to_another_request_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        read_tracking_reply(_reply(sequence=8), 7)


_TWO_CHRONYDS = """
set -e
ip link set lo up
cat > upstream.conf <<END
local stratum 3
allow 127.0.0.0/8
port 1123
cmdport {upstream_cmdport}
bindcmdaddress 127.0.0.1
pidfile {directory}/upstream.pid
END
cat > client.conf <<END
server 127.0.0.1 port 1123 iburst minpoll -2 maxpoll 0
port 0
cmdport {client_cmdport}
bindcmdaddress 127.0.0.1
pidfile {directory}/client.pid
END
"$CHRONYD" -x -d -u root -f upstream.conf >upstream.log 2>&1 &
"$CHRONYD" -x -d -u root -f client.conf >client.log 2>&1 &
trap 'kill %1 %2' EXIT
exec_python() {{ "{python}" -c "$1"; }}
exec_python "
import time
from probes.clocks.chrony import ask_chronyd
deadline = time.monotonic() + 90
while time.monotonic() < deadline:
    tracking = ask_chronyd(5)
    wanted = {wanted}
    if tracking is not None and tracking.is_synchronised(time.time_ns()) == wanted:
        break
print(tracking is not None and tracking.is_synchronised(time.time_ns()), tracking.bound_ns())
"
"""


@pytest.mark.network
@pytest.mark.parametrize("answering", ["client", "upstream"])
def test_a_real_chronyd_is_synchronised_to_its_server_and_a_local_one_to_nothing(
    answering: str, tmp_path: Path
) -> None:
    chronyd = os.environ.get("CHRONYD") or shutil.which("chronyd", path="/usr/sbin:/usr/bin")
    if chronyd is None or os.geteuid() != 0:
        pytest.skip("Needs root and chronyd: unpack the chrony package and name it in CHRONYD.")
    client = answering == "client"
    script = _TWO_CHRONYDS.format(
        directory=tmp_path,
        python=sys.executable,
        upstream_cmdport=0 if client else 323,
        client_cmdport=323 if client else 0,
        wanted=client,
    )
    run = subprocess.run(
        ["unshare", "--net", "bash", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"CHRONYD": chronyd, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert run.returncode == 0, run.stderr + (tmp_path / "client.log").read_text()
    synchronised, bound_ns = run.stdout.split()
    assert synchronised == str(client)
    if client:
        assert 0 < float(bound_ns) < 1e8
