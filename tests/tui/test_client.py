"""What the terminal UI's client makes of a server that is no controller."""

import asyncio
from typing import Any

import msgspec
import pytest

from tui.client import Client
from tui.errors import AnswerError


@pytest.mark.parametrize("cursors", ["one", "two", "ever new"])
def test_a_list_without_an_end_is_told_and_not_read_on(
    monkeypatch: pytest.MonkeyPatch, cursors: str
) -> None:
    monkeypatch.setattr("tui.client.MOST_PAGES", 20)
    asked = [0]

    async def page(_route: str, kind: type[Any], _query: dict[str, str]) -> Any:
        asked[0] += 1
        number = {"one": 1, "two": asked[0] % 2, "ever new": asked[0]}[cursors]
        return msgspec.json.decode(b'{"items":[],"next":"c%d"}' % number, type=kind)

    client = Client("unix:/nowhere")
    monkeypatch.setattr(client, "_get", page)
    with pytest.raises(AnswerError, match="an endless list"):
        asyncio.run(client._get_all("sites", dict))
    assert asked[0] <= 21
