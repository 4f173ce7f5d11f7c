"""Chinese as the field writes it: retired terms stay out of every sentence a user may read."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).parent.parent
ROOMS = ("agent", "bench", "controller", "deploy", "docs", "lab", "probes", "topology", "tui")
# What was retired, what is written instead, and why.
RETIRED = {
    "网格": ("测量组", "a mesh is a group of sites that measure each other, not a grid"),
    "长年": ("长期", "years on end is literary; operation manuals say long-term"),
    "有序结束": ("正常退出", "how a process ends when nothing went wrong"),
    "补交": ("补传", "data are transmitted later, not handed in"),
    "停止前进": ("不再更新", "a timestamp does not walk"),
    "开放访问": ("用户授权", "the chapter gives rights to users; it opens nothing to all"),
    "提供数据": ("导出数据", "the command is export"),
    "公告维护": ("发布维护时段", "what is announced is the period"),
    "打戳": ("时间戳", "workshop slang for timestamping"),
    "回告": ("回传", "a packet carries back; it does not report verbally"),
    "迟到": ("超时到达", "people are late; packets arrive after the time limit"),
    "一份报告结束": ("最终生成一份报告", "a campaign generates its report"),
    "另一读数": ("参考读数", "it stands beside the judged reading for reference"),
    "测量方(?!式|法|向|案)": ("测量单位", "reports of measurement name a unit"),
    "不认识的": ("无法识别的", "a program recognises or does not"),
    "强杀": ("强制终止", "chat language"),
}
SPACED_PERCENT = re.compile(r"[\d}] %(?![a-z(])")
SPACED_UNIT = re.compile(r"(?:秒|分钟|小时|字节) (?:以内|以上|以下|之内|至)|zh'?\)?\} (?:以内|至)")


def _written() -> Iterator[Path]:
    yield ROOT / "README.zh.md"
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in {".py", ".md", ".po", ".toml", ".html", ".css", ".svg", ".service"}:
                yield path


FILES = [path for path in _written() if re.search("[一-鿿]", path.read_text(encoding="utf-8"))]


def _chinese(path: Path) -> Iterator[str]:
    """Yield what `path` says in Chinese alone: whole pages, messages, `zh` keys, strings."""
    text = path.read_text(encoding="utf-8")
    if path.name.endswith(".zh.md"):
        yield text
    elif path.suffix == ".po":
        with path.open("rb") as file:
            yield from (str(message.string) for message in read_po(file) if message.id)
    elif path.suffix == ".toml":
        yield from _zh_keys(tomllib.loads(text))
    elif path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.JoinedStr) and any(map(_is_chinese, node.values)):
                yield ast.unparse(node)
            elif _is_chinese(node):
                yield str(node.value)  # type: ignore[attr-defined] # _is_chinese: a constant


def _is_chinese(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and bool(re.search("[一-鿿]", str(node.value)))


def _zh_keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from [inner] if key == "zh" else _zh_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _zh_keys(inner)


@pytest.mark.parametrize("term", RETIRED)
def test_a_retired_term_is_written_nowhere(term: str) -> None:
    instead, why = RETIRED[term]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(term, line)
    ]
    assert not found, f"write {instead}: {why}"


@pytest.mark.parametrize("rule", [SPACED_PERCENT, SPACED_UNIT])
def test_chinese_has_no_space_before_percent_or_after_a_unit(
    rule: re.Pattern[str],
) -> None:
    found = [
        f"{path.relative_to(ROOT)}: …{said[max(0, match.start() - 20) : match.end() + 20]}…"
        for path in FILES
        for said in _chinese(path)
        for match in rule.finditer(said)
    ]
    assert not found


@pytest.mark.parametrize(
    ("sentence", "retired"),
    [
        ("测量方向", False),
        ("测量方式与测量方法", False),
        ("由测量方提供", True),
        ("各测量方", True),
    ],
)
def test_a_retired_term_inside_another_word_is_left_alone(sentence: str, retired: bool) -> None:
    assert bool(re.search("测量方(?!式|法|向|案)", sentence)) is retired
