"""A controller's address, as every command and file takes it: https://HOST:PORT or unix:/PATH."""

from __future__ import annotations

from urllib.parse import urlsplit


def socket_path(url: str) -> str | None:
    """Return the path of ``unix:/PATH`` or ``unix:///PATH``, None for what is no unix address."""
    if not url.startswith("unix:"):
        return None
    path = url.removeprefix("unix:")
    return "/" + path.lstrip("/") if path.startswith("//") else path


def is_https(url: str) -> bool:
    """Tell whether this is ``https://HOST`` or ``https://HOST:PORT``, and nothing behind it."""
    try:
        parts = urlsplit(url)
        at = parts.port != 0 and not parts.path.strip("/") and not (parts.query or parts.fragment)
    except ValueError:  # brackets that are no IPv6 address, a port that is no number
        return False
    return (
        at
        and parts.scheme == "https"
        and bool(parts.hostname)
        and url.isprintable()
        and not any(sign in "[]<>\"'\\^`{|} " for sign in parts.hostname or "")
    )
