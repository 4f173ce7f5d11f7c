"""JSON that somebody else wrote, as a document of ours."""

from __future__ import annotations

from typing import Any, TypeVar, overload

import msgspec

Document = TypeVar("Document")


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
