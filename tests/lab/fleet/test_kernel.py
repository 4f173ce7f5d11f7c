"""The few system calls the lab needs, on the real kernel."""

import os
import signal
import subprocess

import pytest

from lab.fleet.children import child_environment, python_command
from lab.fleet.kernel import Waiter

PARENT = """
import subprocess, sys, time
from lab.fleet.kernel import die_with_parent
child = subprocess.Popen(["sleep", "600"], preexec_fn=die_with_parent)
print(child.pid, flush=True)
time.sleep(600)
"""
NAMESPACES = """
import os
from lab.fleet.kernel import enter_new_network, enter_new_user, join_network, open_network
if os.geteuid():
    enter_new_user()
def here():
    return os.readlink("/proc/self/ns/net")
outer, back = here(), open_network()
enter_new_network()
inner = here()
join_network(back)
print(outer != inner, outer == here())
"""


def test_a_waiter_tells_whether_there_is_something_to_read_before_its_time_is_over() -> None:
    ours, theirs = os.pipe()
    waiter = Waiter(ours)
    assert not waiter.wait(0)
    assert not waiter.wait(-5)
    os.write(theirs, b"x")
    assert waiter.wait(10**12)
    os.close(ours)
    os.close(theirs)


def test_a_child_dies_with_its_parent() -> None:
    with subprocess.Popen(
        python_command("-c", PARENT), stdout=subprocess.PIPE, text=True, env=child_environment()
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        watch = os.pidfd_open(child)
        parent.send_signal(signal.SIGKILL)
    assert Waiter(watch).wait(60 * 10**9)
    os.close(watch)


@pytest.mark.network
def test_a_network_of_ones_own_is_entered_and_left(namespaces: None) -> None:
    done = subprocess.run(
        python_command("-c", NAMESPACES), capture_output=True, text=True, env=child_environment()
    )
    assert done.stdout.split() == ["True", "True"], done.stderr
