"""A small disk is filled to the last octet, in a mount namespace of its own."""

from pathlib import Path

import pytest

from tests.lab.child_program import told_by

pytestmark = pytest.mark.network

PROGRAM = """
import json, sys, pathlib
from lab.fleet.networks import enter_hub
enter_hub()
from lab.fleet.kernel import enter_new_mounts, mount_memory, unmount
enter_new_mounts()
from lab.faults.disks import SMALL_DISK_BYTES, fill
directory = pathlib.Path(sys.argv[1])
mount_memory(directory, SMALL_DISK_BYTES)
ballast = fill(directory)
try:
    (directory / "more").write_bytes(bytes(4096))
    full = False
except OSError:
    full = True
size = ballast.stat().st_size
ballast.unlink()
(directory / "more").write_bytes(bytes(4096))
unmount(directory)
print(json.dumps({"full": full, "size": size, "left": [each.name for each in directory.iterdir()]}))
"""


def test_a_full_disk_takes_nothing_until_the_ballast_is_gone(
    namespaces: None, tmp_path: Path
) -> None:
    (tmp_path / "mine").touch()
    found = told_by(PROGRAM, str(tmp_path))
    assert found["full"]
    assert 500_000 < found["size"] <= 600 << 10
    assert found["left"] == ["mine"]  # what lay below is there again
