from topology.source_lines import SourceLines

TEXT = '''
[network]
name = "x"   # [[site]]
note = """
[[site]]
name = 1
"""
[[site]]
name = "a"
"quoted key" = 1
pairs = [
  ["a", "b"],
  ["c"]
]
  [[site.interface]]
  carrier = "t"
[[site]]
[[site.interface]]
[[site.interface]]
carrier = "u"
[site.inventory]
x.y = 1
'''


def test_keys_tables_and_arrays_are_found():
    lines = SourceLines(TEXT)
    assert lines.line(("network", "name")) == 3
    assert lines.line(("site", 0, "name")) == 9
    assert lines.line(("site", 0, "quoted key")) == 10
    assert lines.line(("site", 0, "interface", 0, "carrier")) == 16
    assert lines.line(("site", 1, "interface", 1, "carrier")) == 20
    assert lines.line(("site", 1, "inventory", "x", "y")) == 22


def test_what_has_no_line_of_its_own_gets_the_table_around_it():
    lines = SourceLines(TEXT)
    assert lines.line(("site", 0, "pairs", 1, 0)) == 11
    assert lines.line(("site", 1, "interface", 1, "address")) == 19
    assert lines.line(("nothing",)) is None
