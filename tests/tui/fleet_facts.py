# ruff: noqa: E501 - rows of facts read best as the table they are
"""What the fixture fleet is made of: 18 sites, published targets, and what verdicts say."""

from __future__ import annotations

from typing import Any

NOW_NS = 1_790_000_000_000_000_000  # 2026-09-21 14:13:20 UTC
MS = 1e6

SITES = [
    # name, en, zh, city, metro, latitude, longitude, carriers
    ("nanjing-jiangbei", "Nanjing Jiangbei", "南京江北", "nanjing", "nanjing", 32.16, 118.72, "ct cu cm"),
    ("nanjing-yizhuang", "Nanjing Yizhuang", "南京仪庄", "nanjing", "nanjing", 31.95, 118.84, "ct"),
    ("suzhou", "Suzhou", "苏州工业园", "suzhou", "su-xi-chang", 31.32, 120.72, "ct cu"),
    ("wujiang", "Suzhou Wujiang", "苏州吴江", "suzhou", "su-xi-chang", 31.14, 120.64, "ct"),
    ("wuxi", "Wuxi", "无锡", "wuxi", "su-xi-chang", 31.57, 120.30, "ct"),
    ("changzhou", "Changzhou", "常州", "changzhou", "su-xi-chang", 31.81, 119.97, "ct"),
    ("zhenjiang", "Zhenjiang", "镇江", "zhenjiang", "nanjing", 32.19, 119.43, "ct"),
    ("yangzhou", "Yangzhou", "扬州", "yangzhou", "nanjing", 32.39, 119.41, "ct"),
    ("taizhou", "Taizhou", "泰州", "taizhou", None, 32.46, 119.92, "ct"),
    ("nantong", "Nantong", "南通", "nantong", None, 31.98, 120.89, "ct"),
    ("yancheng", "Yancheng Big-Data Park", "盐城大数据产业园", "yancheng", None, 33.35, 120.16, "ct"),
    ("yancheng-dongtai", "Yancheng Dongtai", "盐城东台", "yancheng", None, 32.87, 120.32, "ct"),
    ("huaian", "Huai'an", "淮安", "huaian", None, 33.61, 119.02, "ct"),
    ("xuzhou", "Xuzhou", "徐州", "xuzhou", None, 34.21, 117.28, "ct"),
    ("lianyungang", "Lianyungang", "连云港", "lianyungang", None, 34.60, 119.22, "ct"),
    ("suqian", "Suqian", "宿迁", "suqian", None, 33.96, 118.28, "ct"),
    ("shanghai", "Shanghai core", "上海核心节点", "shanghai", None, 31.23, 121.47, "ct"),
    ("hangzhou", "Hangzhou", "杭州", "hangzhou", None, 30.27, 120.16, "ct"),
]  # fmt: skip


def text(en: str, zh: str) -> dict[str, str]:
    return {"en": en, "zh": zh}


JIANGSU = {
    "document": text(
        "Jiangsu special plan for computing infrastructure", "江苏省算力基础设施发展专项规划"
    ),
    "issuer": text("Jiangsu", "江苏省"),
    "year": 2025,
    "clause": None,
}
YANCHENG = {
    "document": text(
        "Three-year action plan for computing power", "关于加快推进算力发展及应用的三年行动计划"
    ),
    "issuer": text("Yancheng", "盐城市"),
    "year": 2024,
    "clause": None,
}

GOALS = {"2025": 0.85, "2030": 0.95}
# name, en, zh, kind, limit_ms, limit_ratio, direction, stated, goals, source, chooser
TARGETS: list[tuple[Any, ...]] = [
    ("jiangsu-circle-1", "1 ms circle: within a city", "1 毫秒时延圈：城区", "delay", 1.0, None, "one_way", False, GOALS, JIANGSU, lambda a, b: a[3] == b[3]),
    ("jiangsu-circle-3", "3 ms circle: within a metropolitan area", "3 毫秒时延圈：都市圈、城市群", "delay", 3.0, None, "one_way", False, GOALS, JIANGSU, lambda a, b: a[4] is not None and a[4] == b[4]),
    ("jiangsu-circle-5", "5 ms circle: across the province", "5 毫秒时延圈：全省", "delay", 5.0, None, "one_way", False, GOALS, JIANGSU, lambda a, b: "hangzhou" not in (a[3], b[3])),
    ("yancheng-city", "Yancheng: within the city", "盐城：市内算力中心之间", "delay", 1.0, None, "one_way", True, {}, YANCHENG, lambda a, b: a[3] == b[3] == "yancheng"),
    ("yancheng-shanghai", "Yancheng: to the Shanghai core node", "盐城：至上海核心节点", "delay", 4.0, None, "one_way", True, {}, YANCHENG, lambda a, b: {a[3], b[3]} == {"yancheng", "shanghai"}),
    ("wuxi-too-far", "Wuxi: 0.4 ms to Xuzhou (cannot be)", "无锡：至徐州 0.4 毫秒（低于光速下限）", "delay", 0.4, None, "round_trip", True, {}, None, lambda a, b: {a[3], b[3]} == {"wuxi", "xuzhou"}),
    ("international-loss", "International channels: loss", "国际互联网数据专用通道：丢包率", "loss", None, 0.0077, "round_trip", False, {}, JIANGSU, lambda a, b: a[3] == "nantong"),
]  # fmt: skip
REASONS = {
    "pass": text(
        "The whole interval lies within the limit.", "整个置信区间都在限值之内，判定达标。"
    ),
    "fail": text(
        "The whole interval lies beyond the limit.", "整个置信区间都超过限值，判定不达标。"
    ),
    "undecided": text(
        "The limit lies inside the interval; a better clock or more samples would decide it.",
        "限值落在置信区间之内；需要更准的时钟或更多样本才能判定。",
    ),
    "impossible": text(
        "The limit is below light in fibre over the great circle.",
        "限值低于大圆距离上的光纤传播时延。",
    ),
    "no_data": text("Nothing has been measured yet.", "尚无测量数据。"),
}
