"""A number and its English noun agree; one function sees to it, and no sentence does it by hand."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.text import counted

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for room in ("agent", "controller", "lab", "topology")
    for path in sorted((ROOT / room).rglob("*.py"))
]
NOUNS = re.compile(
    r"\{[^{}]*\} (?:more )?(?:agents|cases|chunks|conditions|days|demands|hours|interfaces|paths|"
    r"pairs|probes|packets|sites|streams|targets|times|verdicts|warnings|windows)\b(?!/)"
)
# Numbers that are never one: limits of ours, or what is said only of many.
MANY = re.compile(r"MAX|MOST|LEAST|windows:|needed|ahead_ns|days:.2f|sent:,|\{found\}")


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 sites"), (1, "1 site"), (2, "2 sites"), (1234, "1,234 sites")]
)
def test_a_noun_agrees_with_its_number(number: int, said: str) -> None:
    assert counted(number, "site") == said


def test_an_irregular_noun_has_its_own_plural() -> None:
    assert counted(1, "entry", "entries") == "1 entry"
    assert counted(3, "entry", "entries") == "3 entries"


def sentences(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield ast.unparse(node)


def test_no_sentence_counts_by_hand() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in SOURCES
        for said in sentences(path)
        for match in NOUNS.finditer(said)
        if not MANY.search(match[0])
    ]
    assert found == [], "use foundation.text.counted"
