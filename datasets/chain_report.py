"""What reading a chain left out, and why: counted, named, never fatal."""

import dataclasses
import json
import os
import pathlib

from datasets.private_files import replacing


@dataclasses.dataclass(frozen=True)
class SkippedFile:
    """A file that is no example: its store, its path within the store, and the reason."""

    store: str
    path: str
    reason: str


@dataclasses.dataclass(frozen=True)
class ChainReport:
    """What came of the files of a chain.

    Attributes:
      num_photographs: files with the name of a photograph, and rows of manifests.
      num_examples: what remains to learn from and to evaluate on.
      skipped: files that can't be read, each with its reason.
      other_labels: photographs left out because `labels.txt` lacks their label, by label.
      empty_stores: stores left out, nothing of them being usable.
      num_repeated: copies of a photograph within one store and label, of which one is kept.
      num_ambiguous: photographs that one store keeps under more than one label (all kept).
      notices: what a user should know, one sentence each.
    """

    num_photographs: int
    num_examples: int
    skipped: tuple[SkippedFile, ...] = ()
    other_labels: dict[str, int] = dataclasses.field(default_factory=dict)
    empty_stores: tuple[str, ...] = ()
    num_repeated: int = 0
    num_ambiguous: int = 0
    notices: tuple[str, ...] = ()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the report as JSON, readable by its owner alone: it names files of stores."""
        values = dataclasses.asdict(self)
        with replacing(pathlib.Path(path)) as file:
            file.write(json.dumps(values, indent=1, ensure_ascii=True).encode("ascii"))
