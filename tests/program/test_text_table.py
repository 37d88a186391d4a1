from tff_retail.program.text_table import format_table


def test_columns_are_aligned_with_wide_characters():
    table = format_table(("label", "n"), [("苹果", "7"), ("pear", "10")])
    assert table == "label   n\n苹果    7\npear   10"


def test_long_cells_are_cut():
    table = format_table(("label",), [("x" * 200,), ("a\nb",)])
    assert table.splitlines()[1:] == ["x" * 39 + "…", "a b"]
