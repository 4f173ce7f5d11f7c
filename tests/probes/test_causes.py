"""What was said of a probe, and by whom, goes with it as one number."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from probes import causes
from probes.addresses import pack_address
from probes.causes import Cause, Causes, errno_of


def said(table: Causes, number: int, origin: int, kind: int, code: int, by: str) -> int:
    word = np.array([origin | kind << 8 | code << 16], np.uint32)
    (coded,) = table.codes(np.array([number], np.int32), word, pack_address(by)[None]).tolist()
    return coded


def test_type_code_and_sayer_are_found_again() -> None:
    table = Causes()
    four = said(table, errno.EHOSTUNREACH, 2, 3, 13, "192.0.2.1")
    six = said(table, errno.EACCES, 3, 1, 1, "2001:db8::1")
    assert table.of(four) == Cause(errno.EHOSTUNREACH, 4, 3, 13, "192.0.2.1")
    assert table.of(six) == Cause(errno.EACCES, 6, 1, 1, "2001:db8::1")
    assert errno_of(np.array([four, six, 0])).tolist() == [errno.EHOSTUNREACH, errno.EACCES, 0]
    assert said(table, errno.EHOSTUNREACH, 2, 3, 13, "192.0.2.1") == four


def test_what_this_system_said_is_its_errno() -> None:
    table = Causes()
    assert table.of(errno.ENOBUFS) == Cause(errno.ENOBUFS)
    assert said(table, errno.EPERM, 0, 0, 0, "0.0.0.0") == errno.EPERM


def test_forged_sayers_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causes, "_MOST_SAID", 3)
    table = Causes()
    codes = [said(table, errno.ECONNREFUSED, 2, 3, 3, f"192.0.2.{last}") for last in range(9)]
    assert table.of(codes[1]).said_by == "192.0.2.1"
    assert {table.of(code) for code in codes[3:]} == {Cause(errno.ECONNREFUSED, 4, 3, 3)}
    assert len(table._said) <= 4
