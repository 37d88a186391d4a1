"""The part of a document that a benchmark writes, between two markers."""

import os
import pathlib


def write_marked_section(document: pathlib.Path, name: str, text: str) -> None:
    """Replaces what stands between `<!-- NAME begins -->` and `<!-- NAME ends -->`.

    Args:
      document: a Markdown file that has both markers, once each.
      name: of the section.
      text: lines that take the place of the old ones.

    Raises:
      ValueError: a marker is missing, there twice, or in the wrong order.
    """
    begins, ends = f"<!-- {name} begins -->", f"<!-- {name} ends -->"
    old = document.read_text(encoding="utf-8")
    is_sound = old.count(begins) == old.count(ends) == 1 and old.index(begins) < old.index(ends)
    if not is_sound:
        raise ValueError(f"{document} must have {begins} and, below it, {ends}, once each")
    before, rest = old.split(begins)
    after = rest.split(ends)[1]
    temporary = document.with_name(f".{document.name}.tmp")
    temporary.write_text(f"{before}{begins}\n{text.strip()}\n{ends}{after}", encoding="utf-8")
    os.replace(temporary, document)
