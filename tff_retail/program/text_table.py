"""Tables for a terminal."""

import unicodedata
from collections.abc import Container, Sequence

# A label may have 200 characters; a table of such lines can't be read.
_MAX_CELL_WIDTH = 40


def format_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    to_left: Container[int] = frozenset({0}),
) -> str:
    """Lines of equally wide columns; those named, the first by default, aligned to the left."""
    cells = [[_shortened(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            _padded(cell, width, to_left=index in to_left)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def _padded(cell: str, width: int, *, to_left: bool) -> str:
    blanks = " " * (width - _width(cell))
    return cell + blanks if to_left else blanks + cell


def _shortened(cell: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in cell)
    if _width(line) <= _MAX_CELL_WIDTH:
        return line
    while _width(line) >= _MAX_CELL_WIDTH:
        line = line[:-1]
    return f"{line}…"


def _width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
