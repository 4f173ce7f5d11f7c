"""What browsers may do with an answer: show nothing active in it, guess no type, keep no copy."""

from __future__ import annotations

import base64
import hashlib
import re

from aiohttp import web

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")


async def add_browser_rules(_request: web.Request, answer: web.StreamResponse) -> None:
    """Give every answer the strictest rules, where its route did not set its own."""
    headers = answer.headers
    headers.setdefault("Content-Security-Policy", NOTHING)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cache-Control", "no-store")


def page_policy(page: str) -> str:
    """Return the policy under which a page of ours runs nothing and is styled by itself alone.

    The hash is of the page as it is kept: an older one has the styles of its own time.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
        for style in _STYLE.findall(page)[:1]
    )
    return f"{NOTHING}; style-src {hashes}" if hashes else NOTHING


def download(name: str) -> str:
    """Return the Content-Disposition of a file to be saved under `name`, made harmless."""
    return f'attachment; filename="{_NO_FILE_NAME.sub("-", name).lstrip(".-") or "file"}"'
