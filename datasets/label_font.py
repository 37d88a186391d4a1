"""Label names as a picture can show them: a font that has their glyphs, or numbers in their place.

A label is whatever a shopkeeper named a folder: Chinese, an emoji, 200 characters, `5$ deal`.
Matplotlib draws an empty box (and warns) for a glyph its font lacks, and reads `$…$` as
mathematics. Every picture of this project takes its names from here.
"""

import logging
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.font_manager import FontManager, FontProperties

# Comes with matplotlib, so it is on every machine; it draws what it can, another font the rest.
_DEFAULT_FAMILY = "DejaVu Sans"
# Fonts that claim every character and draw a box, nothing, or bitmaps that matplotlib can't scale.
_NOT_FOR_READING = ("Last Resort", ".LastResort", "Blank", "Color Emoji")


def displayable_labels(
    labels: Sequence[str], *, max_characters: int = 40
) -> tuple[list[str], "FontProperties | None"]:
    """Says how to write `labels` into a matplotlib figure.

    Args:
      labels: names by label index.
      max_characters: longer names are cut in the middle; a Chinese character counts as two.

    Returns:
      One text a label, in the same order: its name, or `#` and its index where no installed font
      has all its characters; and the font to write them with, None for matplotlib's own.
    """
    names = [_on_one_line(label, max_characters) for label in labels]
    has_default, family = _characters_to_draw("".join(names))
    texts = [
        _without_mathematics(name) if set(name) <= has_default and name else f"#{index}"
        for index, name in enumerate(names)
    ]
    return texts, _font_properties(family)


def _on_one_line(label: str, max_characters: int) -> str:
    """Newlines and other unprintable characters become spaces; the middle of a long name goes."""
    line = "".join(c if c.isprintable() else " " for c in label).strip()
    if _width(line) <= max_characters:
        return line
    # More of the beginning than of the end, since that is where names are recognised.
    head, tail = line, line
    while _width(tail) > max_characters // 3:
        tail = tail[1:]
    while _width(head) > max_characters - 1 - _width(tail):
        head = head[:-1]
    return f"{head}…{tail}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _without_mathematics(name: str) -> str:
    return name.replace("$", r"\$")


def _characters_to_draw(text: str) -> tuple[frozenset[str], str | None]:
    """The characters of `text` that can be drawn, and the family needed beside the default."""
    wanted = frozenset(text)
    from matplotlib import font_manager

    default = _drawn_by(font_manager.findfont(_DEFAULT_FAMILY), wanted)
    missing = wanted - default
    if not missing:
        return default, None
    best: tuple[frozenset[str], str | None] = (frozenset(), None)
    for family, path in _readable_fonts():
        drawn = _drawn_by(path, missing)
        if len(drawn) > len(best[0]):
            best = (drawn, family)
    return default | best[0], best[1]


def _readable_fonts() -> Iterator[tuple[str, str]]:
    """Family and file of every installed upright font of regular weight, in order of name."""
    from matplotlib import font_manager

    _add_fonts_installed_since(font_manager.fontManager)
    seen: set[str] = set()
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda e: (e.name, e.fname)):
        is_regular = entry.style == "normal" and entry.weight in (400, "normal", "regular")
        if is_regular and entry.name not in seen and not _is_excluded(entry.name):
            seen.add(entry.name)
            yield entry.name, entry.fname


def _is_excluded(family: str) -> bool:
    return any(name in family for name in _NOT_FOR_READING)


def _add_fonts_installed_since(manager: "FontManager") -> None:
    """Matplotlib remembers the list of fonts between processes and does not look again."""
    from matplotlib import font_manager

    known = {entry.fname for entry in manager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in known:
            try:
                manager.addfont(path)
            except (OSError, RuntimeError, ValueError, NotImplementedError):
                continue  # a broken or unscalable font file is not ours to mend


def _drawn_by(font_path: str, characters: Iterable[str]) -> frozenset[str]:
    from matplotlib import ft2font

    try:
        charmap = ft2font.FT2Font(font_path).get_charmap()
    except (OSError, RuntimeError) as error:
        logging.debug("Font %s can't be read: %s", font_path, error)
        return frozenset()
    return frozenset(c for c in characters if ord(c) in charmap)


def _font_properties(family: str | None) -> "FontProperties | None":
    if family is None:
        return None
    from matplotlib.font_manager import FontProperties

    return FontProperties(family=[_DEFAULT_FAMILY, family])
