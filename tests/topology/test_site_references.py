import re

import pytest


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('members = { sites = ["aa"] }', "no site is called `aa`"),
        ('members = { metros = ["nanjing"] }', "did you mean `nanjing-area`?"),
        ('members = { labels = ["gold"] }', "no label is called `gold`"),
        ('kind = "ful"', "did you mean `full`?"),
        ('kind = "list"', "needs `pairs`"),
        ('kind = "disjoint"\na = {}', "needs `a` and `b`"),
        ('pairs = [["a", "a"]]', "a mesh of kind `full` has no `pairs`"),
        ('kind = "list"\npairs = [["a"]]', "needs exactly 2 entries, not 1"),
        ('kind = "list"\npairs = [["a", "c"]]', "no site is called `c`"),
        ('exclude = [["a", "c"]]', "no site is called `c`"),
        ("stream = []", "has no stream"),
        ('[[mesh.stream]]\nprotocol = "udp"\npayload_bytes = 20', "44 or more"),
        (
            '[[mesh.stream]]\nprotocol = "udp"\nauthenticated = true\npayload_bytes = 64',
            "authenticated STAMP packet; use 112 or more",
        ),
        ('[[mesh.stream]]\nprotocol = "tcp"\nauthenticated = true', "only udp can be auth"),
        ('[[mesh.stream]]\nprotocol = "udp"\nauthenticated = 1', "must be true or false"),
        ('[[mesh.stream]]\nprotocol = "udp"\nauthentic = true', "did you mean `authenticated`?"),
        ('[[mesh.stream]]\nprotocol = "icmp"\nport = 1', "icmp has no port"),
        ('[[mesh.stream]]\nprotocol = "icmp"\ninterval_ms = 0', "must be ≥ 1"),
        ('[[mesh.stream]]\nprotocol = "icmp"\nflows = 1.5', "whole number"),
        ("one_way = 1", "must be true or false"),
        ("ip_versions = [5]", "cannot be `5`"),
    ],
)
def test_mesh_that_cannot_be_is_refused_at_its_line(fault, site, text, says):
    error = fault(site("a") + '[[mesh]]\nname = "m"\n' + text + "\n")
    assert says in error.text.en
    assert re.match(r"sites\.toml:1[1-9]:", error.text.en)


def test_external_sites_have_no_key(fault, site):
    text = site("a") + site("b", "wuxi", 2).replace("[[site]]", "[[site]]\nexternal = true")
    text += '[[mesh]]\nname = "m"\n[[mesh.stream]]\nprotocol = "udp"\nauthenticated = true\n'
    error = fault(text)
    assert 'destinations = "agents"' in error.text.en
    assert "外部站点没有我方密钥" in error.text.zh


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('kind = "delay"', "needs `limit_ms`"),
        ('kind = "loss"\nlimit_ratio = 1.2', "above 0 and below 1"),
        ('kind = "delay"\nlimit_ms = -1', "must be above 0"),
        ('kind = "delay"\nlimit_ms = 1\nfrom = { cities = ["shanghia"] }', "`shanghai`?"),
        ('kind = "delay"\nlimit_ms = 1\nrelations = ["same_town"]', "cannot be `same_town`"),
        ('kind = "delay"\nlimit_ms = 1\ngoals = { "2025" = 85 }', "share up to 1"),
        ('kind = "delay"\nlimit_ms = true', "must be a number"),
        ('kind = "inventory"', "needs `indicator`"),
    ],
)
def test_target_that_cannot_be_is_refused_at_its_line(fault, site, text, says):
    error = fault(site("a") + '[[target]]\nname = "t"\ntitle = "T"\n' + text + "\n")
    assert says in error.text.en
    assert re.match(r"sites\.toml:1[1-9]:", error.text.en)


def test_road_shorter_than_the_straight_line_is_refused(fault, site):
    text = site("a") + site("b", "shanghai", 2) + '[[distance]]\nbetween=["a","b"]\nroad_km=100\n'
    assert "shorter than the straight line" in fault(text).text.en


def test_link_between_unknown_sites_is_a_fault(fault):
    error = fault(
        '[[site]]\nname = "a"\ncity = "nanjing"\n[[link]]\nbetween = ["a", "x"]\none_hop = true\n'
    )
    assert "no site is called `x`" in error.text.en


def test_link_is_declared_once_and_between_two(fault, site):
    row = '[[link]]\nbetween = ["{}", "{}"]\none_hop = true\n'
    for ends in (("b", "a"), ("a", "a")):
        text = site("a") + site("b", number=2) + row.format("a", "b") + row.format(*ends)
        assert "is declared twice, or is to itself" in fault(text).text.en


@pytest.mark.parametrize("kind", ["mesh", "target"])
def test_two_of_one_name_are_refused(fault, site, kind):
    row = f'[[{kind}]]\nname = "x"\n'
    row += 'title = "T"\nkind = "delay"\nlimit_ms = 1\n' if kind == "target" else ""
    assert f"{kind} `x` is declared twice" in fault(site("a") + row + row).text.en


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('kind = "comparison"', "needs `against`"),
        ('kind = "improvement"\nlimit_ratio = 0.8\nindicator = "x"', "is `delay` or `loss`"),
        ('kind = "improvement"\nlimit_ratio = 1.0', "above 0 and below 1"),
        ('kind = "delay"\nlimit_ms = 1\nmax_age_s = 31622401', "at most 31,622,400"),
        ('kind = "delay_ratio"\nlimit_ratio = 0', "must be above 0"),
    ],
)
def test_limit_that_misses_its_kind_is_refused(fault, site, more, says):
    assert says in fault(site("a") + f'[[target]]\nname = "t"\ntitle = "T"\n{more}\n').text.en


def test_ratio_of_delays_may_be_above_one(parse, site):
    more = '[[target]]\nname = "t"\ntitle = "T"\nkind = "delay_ratio"\nlimit_ratio = 1.5\n'
    assert [target.limit_ratio for target in parse(site("a") + more).targets] == [1.5]


def test_road_may_be_shorter_by_what_the_positions_leave_open(parse, fault, site):
    """Nanjing and Zhenjiang: their centres are known to a few kilometres only."""
    text = site("a") + site("b", "zhenjiang", 2)
    distance = parse(text).distance("a", "b")
    row = '[[distance]]\nbetween = ["a", "b"]\nuncertainty_ratio = 0\nroad_km = {:.3f}\n'
    assert parse(text + row.format(distance.great_circle_km - 1)).roads
    assert "shorter than" in fault(text + row.format(distance.great_circle_km / 2)).text.en
