"""A matplotlib figure as a PNG file, without pyplot and its global state."""

import os
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Sharp on a README's page and on a slide, and below 200 kB.
_DOTS_PER_INCH = 120


def save_png(figure: "Figure", path: pathlib.Path) -> None:
    """Draws `figure` into the file `path`, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    temporary = path.with_name(f".{path.name}.tmp")
    canvas = FigureCanvasAgg(figure)
    # Without the software's version the same figure gives the same bytes.
    canvas.figure.savefig(temporary, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    os.replace(temporary, path)
