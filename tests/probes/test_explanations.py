"""The cause that is told is the cause; where a code does not tell it, what to look at is said."""

from __future__ import annotations

import errno
from itertools import product

import pytest

from probes.causes import Cause
from probes.explanations import NEIGHBOURS_FULL, not_sent, told

TARGET, ROUTER = "192.0.2.9", "198.51.100.1"


def sentence(cause: Cause, protocol: str = "icmp", *, ours: bool = False) -> str:
    remark = told(cause, protocol=protocol, destination=TARGET, ours=ours)
    assert remark is not None
    assert remark.cause == cause
    assert remark.text.zh != remark.text.en
    return remark.text.en


@pytest.mark.parametrize("code", [9, 10, 13])
def test_a_prohibition_is_no_unreachable_host(code: int) -> None:
    en = sentence(Cause(errno.EHOSTUNREACH, 4, 3, code, ROUTER))
    assert en.startswith(f"A filter at {ROUTER} prohibits probes to {{targets}}")
    assert f"ICMP type 3 code {code}" in en
    six = sentence(Cause(errno.EACCES, 6, 1, 1, "2001:db8::1"))
    assert six.startswith("A filter at 2001:db8::1 prohibits")


def test_a_loop_is_no_unreachable_host() -> None:
    en = sentence(Cause(errno.EHOSTUNREACH, 4, 11, 0, ROUTER))
    assert "{targets} loop" in en
    assert "traceroute" in en
    assert "{targets} loop" not in sentence(Cause(errno.EHOSTUNREACH, 4, 11, 1, ROUTER))
    assert "{targets} loop" in sentence(Cause(errno.EHOSTUNREACH, 6, 3, 0, "2001:db8::1"))


def test_only_udp_that_met_the_target_itself_asks_for_a_reflector() -> None:
    itself = Cause(errno.ECONNREFUSED, 4, 3, 3, TARGET)
    assert "isochrone reflect" in sentence(itself, "udp")
    for cause, protocol in (
        (itself, "icmp"), (itself, "tcp"),
        (Cause(errno.ECONNREFUSED, 4, 3, 3, ROUTER), "udp"),
    ):  # fmt: skip
        en = sentence(cause, protocol)
        assert "isochrone reflect" not in en
        assert "{port}" not in en
        assert "rejects" in en


def test_a_neighbour_that_does_not_answer_is_told_apart_from_what_a_router_says() -> None:
    cause = Cause(errno.EHOSTUNREACH, 4, 3, 1, ROUTER)
    assert sentence(cause).startswith(ROUTER)
    assert sentence(cause, ours=True).startswith("Nobody answers on the local network")


def test_every_code_has_a_sentence_that_names_it_and_who_said_it() -> None:
    for family, kind, code in product((4, 6), range(16), range(17)):
        en = sentence(Cause(errno.EPROTO, family, kind, code, ROUTER))
        assert f"type {kind} code {code}" in en
        assert ROUTER in en
        assert "{who}" not in en


def test_what_nobody_said_has_no_sentence() -> None:
    assert told(Cause(0), protocol="tcp", destination=TARGET, ours=False) is None
    unnamed = told(Cause(errno.ECONNREFUSED), protocol="tcp", destination=TARGET, ours=False)
    assert unnamed is not None
    assert "ECONNREFUSED" in unnamed.text.en


def test_full_tables_are_named_where_queue_and_firewall_are_guessed() -> None:
    assert "gc_thresh3" in not_sent(errno.ENOBUFS).en
    assert "tc -s qdisc" in not_sent(errno.ENOBUFS).en
    assert "nf_conntrack_max" in not_sent(errno.EPERM).en
    assert "nft list ruleset" in not_sent(errno.EPERM).en
    assert "EPROTO" in not_sent(errno.EPROTO).en
    assert "queue" not in NEIGHBOURS_FULL.en


@pytest.mark.parametrize(("family", "kind", "code"), [(4, 3, 0), (4, 3, 1), (6, 1, 0), (6, 1, 3)])
def test_a_target_that_says_it_cannot_be_reached_rejects(family, kind, code: int) -> None:
    en = sentence(Cause(errno.EHOSTUNREACH, family, kind, code, TARGET))
    assert en.startswith("The target itself ({addresses}) rejects")
    assert "cannot reach" not in en
    assert "no route" not in en


@pytest.mark.parametrize("code", [11, 12, 14, 15])
def test_precedence_and_type_of_service_are_no_prohibition(code: int) -> None:
    assert "--dscp" in sentence(Cause(errno.EHOSTUNREACH, 4, 3, code, ROUTER))


def test_an_isolated_source_is_no_unreachable_target() -> None:
    assert "--source" in sentence(Cause(errno.EHOSTUNREACH, 4, 3, 8, ROUTER))


def test_addresses_keep_their_letters_at_the_beginning_of_a_sentence() -> None:
    assert sentence(Cause(errno.ENETUNREACH, 6, 1, 0, "fd00::1")).startswith("fd00::1 has no")


def test_a_blackhole_and_a_filter_on_the_way_out_are_named() -> None:
    assert "blackhole" in not_sent(errno.EINVAL).en
    assert "egress" in not_sent(errno.ENOBUFS).en
