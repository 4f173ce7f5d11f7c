"""A program in a Python of its own: what enters namespaces or fills disks does so there."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from lab.fleet.children import child_environment, python_command


def told_by(program: str, *arguments: str) -> Any:
    """Return what a program printed, which is JSON; its errors are shown where it fails."""
    done = subprocess.run(
        python_command("-c", program, *arguments),
        capture_output=True,
        text=True,
        check=False,
        env=child_environment(),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
