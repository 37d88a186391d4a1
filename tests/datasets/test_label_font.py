"""Names that a picture can show, with the font that matplotlib brings and with others."""

import pathlib
import warnings

import pytest
from matplotlib import font_manager

from datasets import label_font
from datasets.label_font import displayable_labels


@pytest.fixture
def only_default_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_font, "_readable_fonts", lambda: iter(()))


def _draw(texts: list[str], font: font_manager.FontProperties | None) -> None:
    """Draws each text; any warning (a missing glyph is one) is an error."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    canvas = FigureCanvasAgg(figure)
    for text in texts:
        figure.text(0.1, 0.1, text, fontproperties=font)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        canvas.draw()


def test_latin_names_need_no_other_font() -> None:
    assert displayable_labels(["apple", "Äpfel", "Ünïcode"]) == (
        ["apple", "Äpfel", "Ünïcode"],
        None,
    )


def test_a_dollar_is_no_mathematics() -> None:
    texts, font = displayable_labels(["5$ to 6$", r"$\frac{$"])
    assert texts[0] == r"5\$ to 6\$"
    _draw(texts, font)


def test_names_without_glyphs_become_their_number(only_default_font: None) -> None:
    texts, font = displayable_labels(["pear", "苹果", "\U0001f34c", "", "plum"])
    assert texts == ["pear", "#1", "#2", "#3", "plum"]
    assert font is None
    _draw(texts, font)


def test_long_names_lose_their_middle_and_control_characters_go() -> None:
    name = "organic " + "x" * 200 + " 500 g"
    (long, lines), _ = displayable_labels([name, "two\nlines\t\x07"], max_characters=20)
    assert len(long) == 20
    assert long.startswith("organic ") and long.endswith(" 500 g") and "…" in long
    assert lines == "two lines"


def test_chinese_characters_are_twice_as_wide() -> None:
    assert label_font._on_one_line("苹" * 12, 24) == "苹" * 12
    assert label_font._on_one_line("苹" * 13, 24) == "苹" * 7 + "…" + "苹" * 4


def test_takes_the_font_that_draws_most(monkeypatch: pytest.MonkeyPatch) -> None:
    glyphs = {"one.ttf": {"苹"}, "both.ttf": {"苹", "果"}}
    default = label_font._drawn_by

    def drawn_by(path: str, characters: frozenset[str]) -> frozenset[str]:
        if path in glyphs:
            return frozenset(characters) & frozenset(glyphs[path])
        return default(path, characters)

    monkeypatch.setattr(label_font, "_drawn_by", drawn_by)
    monkeypatch.setattr(
        label_font, "_readable_fonts", lambda: iter([("One", "one.ttf"), ("Both", "both.ttf")])
    )
    texts, font = displayable_labels(["苹果", "牛"])
    assert texts == ["苹果", "#1"]
    assert font is not None
    assert font.get_family() == ["DejaVu Sans", "Both"]


def test_fonts_of_boxes_are_never_taken() -> None:
    families = [family for family, _ in label_font._readable_fonts()]
    assert "DejaVu Sans" in families
    assert not [family for family in families if "Last Resort" in family]


def test_a_broken_font_file_draws_nothing(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "broken.ttf"
    path.write_bytes(b"not a font")
    assert label_font._drawn_by(str(path), "ab") == frozenset()
