"""JSON that somebody else wrote: as a document of ours, and with texts that may be shown anywhere.

Clients read answers through `plain_json`, so that no place that shows a part of one can forget to
clean it.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar, overload

import msgspec

from foundation.text import is_plain, plain

Document = TypeVar("Document")
_ESCAPE = re.compile(rb"\\[bfnrtu]")  # what may stand for a control, where no control may stand


@overload
def decode_json(data: bytes | str, kind: type[Document]) -> Document: ...
@overload
def decode_json(data: bytes | str, kind: Any) -> Any: ...  # a union of documents
def decode_json(data: bytes | str, kind: Any) -> Any:
    """Return what `data` holds. Raises msgspec.DecodeError for everything that is no `kind`.

    msgspec says most of it, but lets texts that are no UTF-8 and too many brackets raise their own.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (UnicodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def plain_json(body: bytes) -> bytes:
    """Return `body` with the texts of its document cleaned; as it is where nothing is to clean.

    What is no JSON is returned as it is: whoever decodes it says so.
    """
    if _ESCAPE.search(body) is None and is_plain(body.decode("utf-8", "replace")):
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
