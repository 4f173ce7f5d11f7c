"""What a controller answers, with every text in it as it may be shown on a terminal.

The same as the other commands do (docs/reference/api.md); this room imports none of theirs.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

# What is no writing: controls, what turns the direction of a line, separators of lines, invisible
# tags and marks, halves of surrogate pairs.
NO_WRITING = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
_ESCAPE = re.compile(rb"\\[bfnrtu]")


def plain(text: str) -> str:
    """Return what somebody else wrote, with U+FFFD for what a terminal would obey."""
    return NO_WRITING.sub("\ufffd", text)


def plain_json(body: bytes) -> bytes:
    """Return `body` with its texts cleaned; what is no JSON, or is clean, as it is."""
    if _ESCAPE.search(body) is None and not NO_WRITING.search(body.decode("utf-8", "replace")):
        return body
    try:
        return msgspec.json.encode(_cleaned(msgspec.json.decode(body)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): _cleaned(item) for key, item in value.items()}
    return value
