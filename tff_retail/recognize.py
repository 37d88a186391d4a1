"""Names the products on photographs.

    python -m tff_retail.recognize --model=runs/latest PHOTO… | FOLDER…

prints one line a photograph: its path, the label and the score, and with `--top_k` the next best
labels; `--json` prints one JSON object a line in place of that. A photograph of which the best
score is below a threshold is said to show an unknown product, and what it is most like (in JSON:
is_unknown). A photograph that can't be read is one line too, and the rest go on. Exit code 0: all
were looked at; 1: some could not be read; 2: the command is wrong.

Where the labels are known, python -m tff_retail.evaluate lists the photographs that the model
gets wrong, the ones it is most sure of first.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from absl import flags

from tff_retail.command_line import run_main
from tff_retail.config import ConfigurationError, require
from tff_retail.program.model_folder import find_model
from tff_retail.program.unknown_threshold import (
    AUTO,
    UNKNOWN_THRESHOLD_HELP,
    read_unknown_threshold,
)

if TYPE_CHECKING:
    from tff_retail.program.recognition import Recognition


def define_flags() -> None:
    """The flags of this command."""
    flags.DEFINE_string("model", None, "A run directory, a model folder or a .tflite file.")
    flags.DEFINE_integer("top_k", 1, "How many labels to name for each photograph.")
    flags.DEFINE_boolean("json", False, "Print one JSON object a line.")
    flags.DEFINE_string("unknown_threshold", AUTO, UNKNOWN_THRESHOLD_HELP)


def main(argv: list[str]) -> int:
    """Recognises every photograph; 1 if some could not be read, else 0."""
    values = flags.FLAGS
    require(bool(values.model), "model", "a run directory, a model folder or a file", values.model)
    require(values.top_k >= 1, "top_k", "at least 1", values.top_k)
    read_unknown_threshold(values.unknown_threshold)
    if not argv:
        raise ConfigurationError(
            "recognize must be given photographs or folders, found none; "
            "name them: python -m tff_retail.recognize --model=RUN PHOTO"
        )
    try:
        return _recognize(values, argv)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; what Python still flushes at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _recognize(values: flags.FlagValues, paths: list[str]) -> int:
    from tff_retail.program.photograph_search import find_photographs

    find_model(values.model)
    photographs = find_photographs(paths)
    if not photographs:
        raise ConfigurationError(
            f"recognize must be given photographs, found none in {', '.join(paths)!r}; "
            "jpg, jpeg, png, webp and bmp are read"
        )
    # Only now, so that a wrong flag and --help answer at once.
    from tff_retail.program.recognition import recognize_photographs
    from tff_retail.program.released_model import load_released_model

    model = load_released_model(values.model)
    show: Callable[[Recognition], None] = _print_json if values.json else _print_text
    has_failed = False
    for recognition in recognize_photographs(
        model,
        photographs,
        top_k=values.top_k,
        unknown_threshold=read_unknown_threshold(values.unknown_threshold),
    ):
        show(recognition)
        has_failed |= recognition.error is not None
    return 1 if has_failed else 0


def _print_text(recognition: "Recognition") -> None:
    if recognition.error is not None:
        print(f"{_printable(recognition.path)}: {recognition.error}", file=sys.stderr, flush=True)
        return
    named = "  ".join(f"{_shown(label)} {score:.1%}" for label, score in recognition.best)
    if recognition.is_unknown:
        named = f"unknown product (most like: {named})"
    print(f"{_printable(recognition.path)}: {named}", flush=True)


def _print_json(recognition: "Recognition") -> None:
    values: dict[str, Any] = {"photo": _printable(recognition.path)}
    if recognition.error is not None:
        values["error"] = recognition.error
    else:
        values["label"], values["score"] = recognition.best[0]
        values["is_unknown"] = recognition.is_unknown
        values["top_k"] = [{"label": label, "score": score} for label, score in recognition.best]
    print(json.dumps(values, ensure_ascii=False), flush=True)


def _shown(label: str) -> str:
    """Without what a terminal would obey: a model's labels come from headquarters."""
    return "".join(each if each.isprintable() else "?" for each in label)


def _printable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", errors="replace")


if __name__ == "__main__":
    define_flags()
    run_main(main)
