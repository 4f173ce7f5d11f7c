"""What an exported row is, declared once: names with their units, types and meanings."""

from __future__ import annotations

import pathlib
import re

from controller.export.rows import COLUMNS

DICTIONARY = pathlib.Path(__file__).parents[3] / "docs/reference/export.md"


def test_dictionary_describes_every_column_and_no_other() -> None:
    text = DICTIONARY.read_text(encoding="utf-8")
    described = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+?) \|", text, re.MULTILINE)
    assert described == [(c.name, c.kind, c.meaning) for c in COLUMNS]
