"""TOML files that people write: read as text, then as tables, with every fault said in both
languages."""

from __future__ import annotations

import math
import pathlib
import re
import tomllib
from collections.abc import Callable
from typing import Any

from foundation.errors import ConfigError
from foundation.reasons import reason_of
from foundation.text import Text

# What tomllib says, by how it begins, longest first; what follows in its sentence is kept.
_ZH = {
    "Expected '=' after a key in a key/value pair": "键之后缺少 '='",
    "Expected ']]' at the end of an array declaration": "表数组声明末尾缺少 ']]'",
    "Expected ']' at the end of a table declaration": "表声明末尾缺少 ']'",
    "Expected newline or end of document after a statement": "语句之后应换行或结束文件",
    "Escaped character is not a Unicode scalar value": "转义字符不是有效的 Unicode 字符",
    "Invalid initial character for a key part": "键以无效字符开头",
    "Unescaped '\\' in a string": "字符串中的 '\\' 未转义",
    "Cannot mutate immutable namespace": "不能再改动内联表",
    "Duplicate inline table key": "内联表中的键重复",
    "Cannot redefine namespace": "表重复定义",
    "Cannot overwrite a value": "键重复赋值",
    "Found invalid character": "含有无效字符",
    "Invalid date or datetime": "日期或时间无效",
    "Unclosed inline table": "内联表未闭合",
    "Unterminated string": "字符串未闭合",
    "Invalid hex value": "十六进制值无效",
    "Illegal character": "含有非法字符",
    "Invalid statement": "语句无效",
    "Unclosed array": "数组未闭合",
    "Cannot declare": "重复声明",
    "Invalid value": "值无效",
    "Expected": "缺少",
}
_MOST_BITS = 63
_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


def decoded(read: Callable[[], bytes], path: pathlib.Path, kind: Text) -> str:
    """Return the text of the file of that kind ("site file", "站点文件"), whose bytes `read` gives.

    A byte order mark, as editors on Windows set it, is dropped, and its line ends are made
    plain. Raises ConfigError saying why.
    """
    try:
        return "\n".join(re.split("\r\n?", read().decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"The {kind.en} {path} is not UTF-8 text; save it as UTF-8.",
            f"{kind.zh} {path} 不是 UTF-8 文本；请以 UTF-8 编码保存。",
            file=str(path),
        ) from error
    except OSError as error:
        reason = reason_of(error)
        raise ConfigError(
            f"Cannot read the {kind.en} {path}: {reason.en}; check the path and its permissions.",
            f"无法读取{kind.zh} {path}：{reason.zh}；请检查路径及其权限。",
            file=str(path),
        ) from error


def parse_toml(text: str, path: pathlib.Path) -> dict[str, Any]:
    """Return the tables of a text that is in `path`. Raises ConfigError with the line."""
    try:
        return _within_64_bits(tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        reason = _reason_of(error)
        raise ConfigError(
            f"{path.name}: not valid TOML: {reason.en}; correct that line.",
            f"{path.name}：不是有效的 TOML：{reason.zh}；请修正该行。",
            file=str(path),
        ) from error


def _within_64_bits(tables: dict[str, Any]) -> dict[str, Any]:
    """Return the tables with infinity for whole numbers beyond TOML's, which no key takes."""
    waiting: list[Any] = [tables]
    while waiting:
        table = waiting.pop()
        for key, value in table.items() if isinstance(table, dict) else enumerate(table):
            if isinstance(value, dict | list):
                waiting.append(value)
            elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
                table[key] = math.copysign(math.inf, value > 0 or -1)
    return tables


def _reason_of(error: Exception) -> Text:
    words = str(error)
    if isinstance(error, RecursionError):
        return Text("it is nested too deeply", "嵌套过深")
    if not isinstance(error, tomllib.TOMLDecodeError):  # Python will not read so many digits
        return Text("a number has too many digits", "某个数的位数过多")
    place = _PLACE.search(words)
    said = words[: place.start()] if place else words
    known = next((begin for begin in _ZH if said.startswith(begin)), None)
    if known is None or place is None:
        return Text(words, words)
    where = f"第 {place['line']} 行第 {place['column']} 列" if place["line"] else "文件末尾"
    rest = said.removeprefix(known).removesuffix(" twice").replace(" and to be the ", "")
    return Text(words, f"{where}，{_ZH[known]}{rest}")
