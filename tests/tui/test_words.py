"""Every word of the screens exists in Chinese."""

import ast
from pathlib import Path

import pytest

import tui.app
import tui.help
import tui.pages.agents.model
import tui.pages.overview.model
import tui.pages.path.model
import tui.pages.path.windows
import tui.pages.paths.model
import tui.pages.target.model
import tui.palette
import tui.rules
from tui.pages import page_classes
from tui.words import Words, catalogue, language_of_environment

SOURCES = Path(tui.app.__file__).parent


def words_in_calls() -> set[str]:
    """First arguments of words("…"), self._words("…") and look.words("…")."""
    found = set()
    for file in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                first = node.args[0]
                if name == "counted":
                    first = node.args[1]
                if name in ("words", "_words", "counted") and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def words_in_tables() -> set[str]:
    models = (tui.pages.overview.model, tui.pages.paths.model, tui.pages.agents.model)
    found = {column.title for model in models for column in model.COLUMNS}
    found |= {column.title for column in tui.pages.path.windows.WINDOW_COLUMNS}
    for signs in (tui.palette.VERDICT_SIGNS, tui.palette.AGENT_SIGNS, tui.palette.PATH_SIGNS):
        found |= {entry.word for entry in signs.values()}
    found |= set(tui.rules.STATISTICS.values()) | set(tui.rules.KINDS.values())
    found |= set(tui.pages.path.model.LIMITING_FACTORS.values())
    found |= set(tui.pages.agents.model.TIMESTAMPINGS.values()) | set(tui.help.MEANINGS.values())
    found |= set(tui.pages.target.model.ACTIONS.values())
    found |= {tui.pages.overview.model.RATE_OF_PATHS, tui.pages.overview.model.RATE_OF_PAIRS}
    for page in page_classes().values():
        found |= {page.title, *(what for _, what in (*page.keys, *page.help_keys))}
    found |= {title for _, title in tui.app.COMMON_KEYS}
    for heading, keys in tui.help.SECTIONS:
        found |= {heading, *(what for _, what in keys)}
    return found


def test_every_word_has_a_chinese_text() -> None:
    missing = (words_in_calls() | words_in_tables()) - set(catalogue("zh"))
    assert not missing


def test_english_says_one_of_one() -> None:
    assert Words("en").counted(1, "{n} warnings", n=1) == "1 warning"
    assert Words("en").counted(2, "{n} warnings", n=2) == "2 warnings"
    assert Words("zh").counted(1, "{n} warnings", n=1) == "1 条警告"


def test_no_chinese_text_is_left_over() -> None:
    assert set(catalogue("zh")) <= words_in_calls() | words_in_tables()


def test_fields_are_the_same_in_both_languages() -> None:
    import string

    def fields(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for english, chinese in catalogue("zh").items():
        assert fields(english) == fields(chinese), english


def test_other_language_turns_and_turns_back() -> None:
    words = Words("en")
    assert words("fail") == "fail"
    assert words.other()("fail") == "不达标"
    assert words.other().other()("fail") == "fail"


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"ISOCHRONE_LANG": "zh", "LANG": "en_US.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_language_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], language: str
) -> None:
    for name in ("ISOCHRONE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language_of_environment() == language
