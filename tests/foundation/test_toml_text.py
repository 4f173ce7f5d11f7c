"""TOML that people write: every fault is a sentence in both languages, with its place."""

from __future__ import annotations

import pathlib
import re

import pytest

from foundation.errors import ConfigError
from foundation.text import Text
from foundation.toml_text import decoded, parse_toml

FILE = pathlib.Path("sites.toml")
KIND = Text("site file", "站点文件")


@pytest.mark.parametrize(
    ("text", "zh"),
    [
        ("name = \n", "值无效"),
        ("name\n", "键之后缺少 '='"),
        ("[a\n", "表声明末尾缺少 ']'"),
        ("[[a]\n", "表数组声明末尾缺少 ']]'"),
        ("a = 1\na = 2\n", "键重复赋值"),
        ("[a]\n[a]\n", "重复声明 ('a',)"),
        ('a = "x\n', "含有非法字符 '\\n'"),
        ('a = "x', "字符串未闭合"),
        ("a = [1\n", "数组未闭合"),
        ("a = {b = 1, b = 2}\n", "内联表中的键重复 'b'"),
        ("a = 1 b\n", "语句之后应换行或结束文件"),
        ("= 1\n", "语句无效"),
    ],
)
def test_what_is_wrong_is_said_in_chinese_too(text: str, zh: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, FILE)
    said = caught.value.text
    assert said.en.startswith("sites.toml: not valid TOML: ")
    assert said.zh.startswith("sites.toml：不是有效的 TOML：")
    assert zh in said.zh
    assert re.search(r"：(第 \d+ 行第 \d+ 列|文件末尾)，", said.zh)


def test_byte_order_mark_is_dropped(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_text("a = 1\n", encoding="utf-8-sig")
    assert parse_toml(decoded(path.read_bytes, path, KIND), path) == {"a": 1}


def test_what_cannot_be_read_is_said_with_its_kind_and_reason(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sites.toml"
    with pytest.raises(ConfigError, match="Cannot read the site file"):
        decoded(path.read_bytes, path, KIND)
    with pytest.raises(ConfigError, match="Is a directory"):
        decoded(tmp_path.read_bytes, tmp_path, KIND)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        decoded(path.read_bytes, path, KIND)
