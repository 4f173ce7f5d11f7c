"""Checks a parsed TOML document against its declaration, in words a person can act on.

The declaration is the msgspec.Struct itself, read through msgspec.inspect. msgspec would stop at
the first fault and name neither file nor line; here every fault is found in one pass, with its
line, the nearest known word, and the sentence in both languages.
"""

from __future__ import annotations

import difflib
import math
import pathlib
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec.inspect as mi

from foundation.errors import ConfigError
from foundation.text import Text, counted
from topology.source_lines import Key, SourceLines

Kept = dict[Key, list[int]]  # of each list, by its key: which entries are looked at
_SHOWN = 20  # faults; more would not be read


class Problems:
    """What is wrong with one file, collected so that one run names all of it."""

    def __init__(self, file: pathlib.Path, lines: SourceLines) -> None:
        self.file = file
        self._lines = lines
        self._found: list[tuple[int, Key, Text]] = []
        self._kept: Kept = {}
        self._faulty: set[Key] = set()
        self.in_doubt: frozenset[str] = frozenset()  # words that faulty tables may declare

    def look_on(self, kept: Kept, faulty: set[Key]) -> None:
        """Go on with a part of the document: `kept` of its lists, without what is `faulty`."""
        self._kept, self._faulty = kept, set(faulty)

    def original(self, key: Key) -> Key:
        """Return the key in the whole document of one in the part that is looked at."""
        whole: Key = ()
        for part in key:
            rows = self._kept.get(whole)
            moved = rows is not None and isinstance(part, int) and part < len(rows)
            whole = (*whole, rows[part]) if moved else (*whole, part)  # type: ignore[index] # moved
        return whole

    def is_faulty(self, key: Key) -> bool:
        """Return whether the value at `key` was left out, or something in it."""
        whole = self.original(key)
        return any(fault[: len(whole)] == whole for fault in self._faulty)

    def add(self, key: Key, en: str, zh: str) -> None:
        """Note one fault of the value at `key`; what lacks in a faulty table only follows."""
        if key and self.is_faulty(key):
            return
        key = self.original(key)
        self._found.append((self._lines.line(key) or 0, key, Text(en, zh)))

    @property
    def found(self) -> tuple[tuple[Key, Text], ...]:
        """Every fault so far: the key of its value, and what is wrong."""
        return tuple((key, text) for _, key, text in self._found)

    def place(self, key: Key) -> str:
        """Return ``file:line`` of `key`, or the file where no line is known."""
        line = self._lines.line(self.original(key))
        return f"{self.file.name}:{line}" if line else self.file.name

    def raise_if_any(self) -> None:
        """Raise one ConfigError with every fault, in the order of the file."""
        if not self._found:
            return
        found = sorted(self._found, key=lambda item: item[0])
        shown = [
            (f"{self.file.name}:{line}" if line else self.file.name, text)
            for line, _, text in found[:_SHOWN]
        ]
        more = len(found) - len(shown)
        en = [f"{place}: {text.en}" for place, text in shown]
        zh = [f"{place}：{text.zh}" for place, text in shown]
        if more:
            en.append(f"… and {more} more")
            zh.append(f"……另有 {more} 处")
        raise ConfigError(
            "\n".join(en),
            "\n".join(zh),
            file=str(self.file),
            line=found[0][0] or None,
            key=dotted(found[0][1]),
        )


def dotted(key: Key) -> str:
    """Return a key as people write it: ``site[2].city``, the numbers counted from 1."""
    out = ""
    for part in key:
        out += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was most likely meant to be, or None."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def suggestion(word: str, known: Iterable[str], *, limit: int = 12) -> Text:
    """Return ``; did you mean …?``, or the list of known words where none is near."""
    words = sorted(known)
    near = nearest(word, words)
    if near is not None:
        return Text(f"; did you mean `{near}`?", f"；是否应为 `{near}`？")
    if not words:
        return Text("", "")
    listed = ", ".join(f"`{w}`" for w in words[:limit]) + (", …" if len(words) > limit else "")
    return Text(f"; known: {listed}", f"；可用：{listed.replace(', ', '、')}")


def check(value: Any, struct: type, key: Key, problems: Problems) -> None:
    """Note every way in which `value` is not a table as `struct` declares it."""
    _check(value, mi.type_info(struct), key, problems)


def _check(value: Any, kind: mi.Type, key: Key, problems: Problems) -> None:
    if isinstance(kind, mi.Metadata):
        kind = kind.type
    for types, checker in _CHECKERS:
        if isinstance(kind, types):
            checker(value, kind, key, problems)
            return


def _check_struct(value: Any, kind: Any, key: Key, problems: Problems) -> None:
    if not isinstance(value, dict):
        _wrong_type(value, "table", "表", key, problems)
        return
    fields = {field.encode_name: field for field in kind.fields}
    table = dotted(key) or "the file"
    for name in value:
        if name not in fields:
            hint = suggestion(name, fields)
            problems.add(
                (*key, name),
                f"unknown key `{name}` in {table}{hint.en}",
                f"{dotted(key) or '文件'} 中有未知的键 `{name}`{hint.zh}",
            )
    for name, field in fields.items():
        if name in value:
            _check(value[name], field.type, (*key, name), problems)
        elif field.required:
            problems.add(key, f"{table} lacks `{name}`", f"{dotted(key) or '文件'} 缺少 `{name}`")


def _check_list(value: Any, kind: Any, key: Key, problems: Problems) -> None:
    if not isinstance(value, list):
        _wrong_type(value, "list [ … ]", "列表 [ … ]", key, problems)
        return
    items = (
        list(kind.item_types) if isinstance(kind, mi.TupleType) else [kind.item_type] * len(value)
    )
    if len(items) != len(value):
        problems.add(
            key,
            f"{dotted(key)} needs exactly {counted(len(items), 'entry', 'entries')}, not "
            f"{len(value)}",
            f"{dotted(key)} 应恰有 {len(items)} 项，实有 {len(value)} 项",
        )
        return
    for number, (item, item_kind) in enumerate(zip(value, items, strict=True)):
        _check(item, item_kind, (*key, number), problems)


def _check_dict(value: Any, kind: Any, key: Key, problems: Problems) -> None:
    if not isinstance(value, dict):
        _wrong_type(value, "table", "表", key, problems)
        return
    for name, item in value.items():
        _check(name, kind.key_type, (*key, name), problems)
        _check(item, kind.value_type, (*key, name), problems)


def _check_literal(value: Any, kind: Any, key: Key, problems: Problems) -> None:
    if value in kind.values and not isinstance(value, bool):
        return
    hint = suggestion(str(value), [str(v) for v in kind.values])
    problems.add(
        key,
        f"{dotted(key)} cannot be `{value}`{hint.en}",
        f"{dotted(key)} 不能是 `{value}`{hint.zh}",
    )


def _check_union(value: Any, kind: Any, key: Key, problems: Problems) -> None:
    """Check an optional value, or a sentence that may be a string or {en, zh}."""
    kinds = [k for k in kind.types if not isinstance(k, mi.NoneType)]
    if isinstance(value, str):
        kinds = [k for k in kinds if isinstance(k, mi.StrType)] or kinds
    _check(value, kinds[-1], key, problems)


def _check_number(value: Any, kind: Any, key: Key, problems: Problems) -> None:
    wanted = int if isinstance(kind, mi.IntType) else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted):
        whole = isinstance(kind, mi.IntType)
        _wrong_type(
            value, "whole number" if whole else "number", "整数" if whole else "数", key, problems
        )
        return
    if not _is_finite(value):
        problems.add(
            key,
            f"{dotted(key)} is {value}, which is not a finite number",
            f"{dotted(key)} 为 {value}，不是有限的数",
        )
        return
    bounds: list[tuple[float | None, str, Callable[[float, float], bool]]] = [
        (kind.ge, "≥", lambda v, b: v >= b),
        (kind.gt, ">", lambda v, b: v > b),
        (kind.le, "≤", lambda v, b: v <= b),
        (kind.lt, "<", lambda v, b: v < b),
    ]
    stated = [(bound, sign, holds) for bound, sign, holds in bounds if bound is not None]
    if not all(holds(value, bound) for bound, _, holds in stated):
        en = " and ".join(f"{sign} {bound:g}" for bound, sign, _ in stated)
        zh = " 且 ".join(f"{sign} {bound:g}" for bound, sign, _ in stated)
        problems.add(
            key,
            f"{dotted(key)} is {value}, but must be {en}",
            f"{dotted(key)} 为 {value}，应 {zh}",
        )


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _check_string(value: Any, kind: Any, key: Key, problems: Problems) -> None:
    if not isinstance(value, str):
        _wrong_type(value, "string in quotes", "带引号的字符串", key, problems)
    elif kind.pattern is not None and not re.search(kind.pattern, value):
        problems.add(
            key,
            f"`{value}` is not a name: use 1 to 40 of a-z, 0-9 and -, beginning and ending with a "
            "letter or digit (put other words in `title`)",
            f"`{value}` 不能作名称：请用 1 至 40 个 a-z、0-9 或 -，首尾须为字母或数字"
            "（其他文字请写在 `title` 中）",
        )


def _check_bool(value: Any, _kind: Any, key: Key, problems: Problems) -> None:
    if not isinstance(value, bool):
        _wrong_type(value, "true or false", " true 或 false", key, problems)


def _wrong_type(value: Any, en: str, zh: str, key: Key, problems: Problems) -> None:
    problems.add(
        key,
        f"{dotted(key)} must be a {en}, not {value!r}".replace("a true", "true"),
        f"{dotted(key)} 应为{zh}，而不是 {value!r}",
    )


_Checker = Callable[[Any, Any, Key, Problems], None]
_CHECKERS: list[tuple[tuple[type, ...], _Checker]] = [
    ((mi.StructType,), _check_struct),
    ((mi.ListType, mi.VarTupleType, mi.TupleType, mi.SetType, mi.FrozenSetType), _check_list),
    ((mi.DictType,), _check_dict),
    ((mi.LiteralType,), _check_literal),
    ((mi.UnionType,), _check_union),
    ((mi.IntType, mi.FloatType), _check_number),
    ((mi.StrType,), _check_string),
    ((mi.BoolType,), _check_bool),
]
