"""An open reflector answers nothing shorter than its answer would be, and tells who asked so."""

from __future__ import annotations

import pytest
from asking import Sender, free_port, reflector, request

from probes.reflector.short_requests import ShortRequestNews, ShortRequests
from probes.reflector.spec import ReflectorSpec


@pytest.mark.network
@pytest.mark.parametrize(("host", "everybody"), [("127.0.0.1", "0.0.0.0/0"), ("::1", "::/0")])
def test_the_latest_short_request_is_known_by_its_sender_and_length(
    host: str, everybody: str
) -> None:
    place = ReflectorSpec(address=host, port=free_port(host), peers=(everybody,))
    with reflector(place) as running, Sender(running.addresses()[0], host=host) as sender:
        assert running.short_requests() == ShortRequests()
        assert sender.is_not_answered(request(1)[:43], then=request(2))
        assert sender.is_not_answered(request(3)[:14], then=request(4))
        assert running.short_requests() == ShortRequests(2, 14, 44, host)
        assert running.counters().growing == 2


@pytest.mark.network
def test_behind_both_families_an_ipv4_sender_is_named_as_such() -> None:
    everybody = ("0.0.0.0/0", "::/0")
    place = ReflectorSpec(address="::", port=free_port("::"), peers=everybody)
    with reflector(place) as running:
        to = "127.0.0.1", running.addresses()[0][1]
        with Sender(to) as sender:
            assert sender.is_not_answered(request(1)[:20], then=request(2))
        assert running.short_requests().sender == "127.0.0.1"


@pytest.mark.network
def test_a_named_peer_is_answered_whatever_the_length() -> None:
    place = ReflectorSpec(address="127.0.0.1", port=free_port("127.0.0.1"), peers=("127.0.0.0/8",))
    with reflector(place) as running, Sender(running.addresses()[0]) as sender:
        assert len(sender.exchange(request(1)[:14])) == 44
        assert running.short_requests() == ShortRequests()


def test_news_are_told_at_once_and_then_a_minute_apart() -> None:
    news, short = ShortRequestNews(), ShortRequests()
    assert news.news(short, 0.0) is None
    short = short.and_more(1, 14, 44, "192.0.2.1")
    first = news.news(short, 1.0)
    assert first is not None
    assert first.en.startswith("1 request was too short to be answered, the latest of 14 octets")
    assert "from 192.0.2.1" in first.en
    assert "at least 44" in first.en
    assert "44 字节" in first.zh
    short = short.and_more(7, 20, 44, "2001:db8::1")
    assert news.news(short, 60.0) is None
    second = news.news(short, 61.0)
    assert second is not None
    assert second.en.startswith("7 requests were")
    assert news.news(short, 1000.0) is None
    short = short.and_more(2, 20, 44, "2001:db8::1")
    assert news.news(short, 1001.0) is not None
    short = short.and_more(3, 20, 44, "2001:db8::1")
    assert news.news(short, 1002.0) is None
    news.end_silence()
    last = news.news(short, 1002.0)
    assert last is not None
    assert last.en.startswith("3 requests were")
