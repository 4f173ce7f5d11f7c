"""Requests that are too short to be answered where everybody may ask: how many, and the latest.

Whoever sends them gets nothing, not even a reason; so who runs the reflector is told.
"""

from __future__ import annotations

from dataclasses import dataclass

from foundation.text import Text, counted


@dataclass(frozen=True, slots=True)
class ShortRequests:
    """So many requests that were too short, the latest of `length` octets from `sender`, where
    `needed` are needed."""

    count: int = 0
    length: int = 0
    needed: int = 0
    sender: str = ""

    def and_more(self, count: int, length: int, needed: int, sender: str) -> ShortRequests:
        """Return these and so many more."""
        return ShortRequests(self.count + count, length, needed, sender)

    def told(self, before: int) -> Text:
        """Return what has come since there were `before` of them."""
        new = self.count - before
        return Text(
            f"{counted(new, 'request was', 'requests were')} too short to be answered, the latest "
            f"of {self.length} octets from {self.sender}: where everybody may ask, a request has "
            f"at least {self.needed}, as many as its answer. Let the sender pad its requests "
            "(RFC 6038), or name it with --peer in place of --open.",
            f"{new} 个请求过短，未予应答；最近一个来自 {self.sender}，长 {self.length} 字节：对所有"
            f"人开放时，请求至少须有 {self.needed} 字节，与应答等长。请让发送方填充请求"
            "（RFC 6038），或改用 --peer 指定该发送方，而不用 --open。",
        )


class ShortRequestNews:
    """Says when there is something to tell: at once, and then once a minute at most."""

    EVERY_S = 60.0

    def __init__(self) -> None:
        self._told = 0
        self._next_s = float("-inf")

    def end_silence(self) -> None:
        """Let what has not been told yet be told now."""
        self._next_s = float("-inf")

    def news(self, short: ShortRequests, now_s: float) -> Text | None:
        """Return what is to be told now, if anything; `now_s` is monotonic."""
        if short.count == self._told or now_s < self._next_s:
            return None
        before, self._told = self._told, short.count
        self._next_s = now_s + self.EVERY_S
        return short.told(before)
