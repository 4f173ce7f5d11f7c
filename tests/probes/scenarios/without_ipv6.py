"""Run a program as on a kernel without IPv6: `python without_ipv6.py WORDS…`.

A filter of system calls answers EAFNOSUPPORT to every socket of that family, as a kernel does that
was started with ipv6.disable=1.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_SOCKET = {"x86_64": 41, "aarch64": 198}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def forbid_ipv6() -> None:
    number = _SOCKET[os.uname().machine]
    code = [
        (_LOAD, 0, 0, 0),  # the number of the system call
        (_EQUAL, 0, 3, number),
        (_LOAD, 0, 0, 16),  # its first argument, the family
        (_EQUAL, 0, 1, socket.AF_INET6),
        (_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]
    raw = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    program = _Program(len(code), ctypes.addressof(raw))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0


if __name__ == "__main__":
    forbid_ipv6()
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
