"""A controller's address, as every command and file takes it: https://HOST:PORT or unix:/PATH."""

from __future__ import annotations


def socket_path(url: str) -> str | None:
    """Return the path of ``unix:/PATH`` or ``unix:///PATH``, None for what is no unix address."""
    if not url.startswith("unix:"):
        return None
    path = url.removeprefix("unix:")
    return "/" + path.lstrip("/") if path.startswith("//") else path
