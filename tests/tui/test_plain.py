"""The terminal UI cleans what others wrote as the other commands do."""

from foundation import text as of_commands
from foundation.json_document import plain_json as commands_plain_json
from tui import plain as of_tui


def test_both_call_the_same_no_writing() -> None:
    every = "".join(map(chr, range(0x110000)))
    assert of_tui.plain(every) == of_commands.plain(every)


def test_both_clean_a_document_alike() -> None:
    body = '{"text": {"en": "\\u001b]0;x\\u0007", "zh": "\u202e"}, "n": [1, null, "\\n"]}'.encode()
    assert of_tui.plain_json(body) == commands_plain_json(body)
    assert b"u001b" not in of_tui.plain_json(body)
