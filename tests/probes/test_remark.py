"""Names put into the places of a sentence."""

from __future__ import annotations

import errno

from foundation.text import Text
from probes.causes import UNKNOWN, Cause
from probes.remark import Remark, about

SENTENCE = Text("Nothing answers at {targets} on port {port}.", "{targets} 的端口 {port} 无应答。")


def test_a_name_stands_in_both_languages_and_a_text_in_its_own() -> None:
    told = about(SENTENCE, targets=Text("two hosts", "两台主机"), port=862)
    assert told == Text("Nothing answers at two hosts on port 862.", "两台主机 的端口 862 无应答。")


def test_places_that_are_not_named_stay_for_later() -> None:
    once = about(SENTENCE, port=862)
    assert once.en == "Nothing answers at {targets} on port 862."
    assert about(once, targets="a") == about(SENTENCE, targets="a", port=862)


def test_braces_that_are_no_place_stay() -> None:
    """What ICMP or a site file says is put in as it is: it is no format string."""
    told = about(SENTENCE, targets="{0!r}", other="x", port="%s")
    assert told.en == "Nothing answers at {0!r} on port %s."


def test_remark_keeps_code_and_cause_whatever_names_are_put_in() -> None:
    cause = Cause(errno.ECONNREFUSED, 4, 3, 3, "192.0.2.1")
    remark = Remark("nothing_listens", SENTENCE, cause)
    told = remark.about(targets="a", port=1)
    assert (told.code, told.cause) == ("nothing_listens", cause)
    assert told.text == about(SENTENCE, targets="a", port=1)
    assert remark.text == SENTENCE
    assert Remark("other", SENTENCE).cause is UNKNOWN
