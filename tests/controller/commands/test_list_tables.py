"""Tables on the command line."""

from rich.cells import cell_len

from controller.commands.list_tables import aligned


def test_columns_line_up_where_characters_are_two_cells_wide() -> None:
    lines = aligned([("路径", "b"), ("a", "判定"), ("abcdef", "c")])
    assert [cell_len(line.rpartition("  ")[0].rstrip()) <= 6 for line in lines] == [True] * 4
    assert lines[0] == "路径    b"
    assert lines[2] == "a       判定"


def test_what_others_wrote_cannot_steer_the_terminal() -> None:
    lines = aligned([("name",), ("\x1b[2J\x07evil\r\n\u202e",)])
    assert all(line.isprintable() for line in lines)
