"""Signs for terminals that draw what has ambiguous width (UAX #11: ● ▲ ─ … ×) two columns wide.

There, each of them would push the rest of its line one column on. Every one is replaced by a sign
of the same meaning that has one column everywhere: by the table, else by the letter under an
accent, else by a question mark. Marks that have no column of their own go.
"""

from __future__ import annotations

import functools
import unicodedata

_NARROW = {
    **dict(zip("●○◐◎‖∅★☆◆◇■□", "*o%@=0**++##", strict=True)),
    **dict(zip("▲▼△▽▶◀→←↑↓↔⇒⇔", "^v∆v><><^v-=-", strict=True)),
    **dict(zip("–—―·…‥‘’“”•°´¨", "---.⋯⋯''\"\"*o'\"", strict=True)),
    **dict(zip("≤≥≦≧±×÷∞≈≠∶√", "⩽⩾⩽⩾~x/#~#:V", strict=True)),
    **dict(zip("▁▂▃▄▅▆▇█", "_.-~=+*#", strict=True)),
    **dict(zip("▀▌▍▎▏▐▔▕▒▓▉▊▋", '"|||||-|=####', strict=True)),
    **dict(zip("¹²³¼½¾§¶", "123///SP", strict=True)),
    "\xad": "-",
    **dict(zip("╱╲╳", "/\\x", strict=True)),
    **dict.fromkeys("─━┄┅┈┉╌╍═╴╶╸╺╼╾", "-"),
    **dict.fromkeys("│┃┆┇┊┋╎╏║╵╷╹╻╽╿", "|"),
}


def is_ambiguous(text: str) -> bool:
    """Tell whether terminals differ in how many columns this takes."""
    return not text.isascii() and any(unicodedata.east_asian_width(sign) == "A" for sign in text)


def narrow(text: str) -> str:
    """Return `text` with one column for every sign that had one, in every terminal."""
    return text if text.isascii() else "".join(map(_narrow, text))


@functools.cache
def _narrow(sign: str) -> str:
    if unicodedata.east_asian_width(sign) != "A":
        return sign
    if unicodedata.category(sign) == "Mn":
        return ""
    if "─" <= sign <= "╿":  # all other lines of boxes are corners and crossings
        return _NARROW.get(sign, "+")
    base = unicodedata.normalize("NFKD", sign)[0]
    return _NARROW.get(sign) or (base if base.isascii() and base.isprintable() else "?")
