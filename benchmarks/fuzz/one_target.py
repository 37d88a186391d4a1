"""One target under a coverage-guided fuzzer, as a process of its own.

    python -m benchmarks.fuzz.one_target --target=link_frame --inputs=100000 --folder=SCRATCH

Prints what it found as one line of JSON. A process of its own, for the fuzzer ends it, and what it
leaves behind is counted. atheris (https://github.com/google/atheris) counts the branches of this
project's Python code that an input reaches; inputs that reach new ones are changed further.
"""

import argparse
import gc
import json
import pathlib
import sys
import time
import warnings

import atheris

# A parser that takes so long for some kilobytes hangs.
_HANG_S = 10
# What is resident is compared from here on: by then all that is made once has been made.
_WARM_PART = 0.2
_LIMIT_MB = 3000


class _Watch:
    """Counts inputs, and what is resident while they are read."""

    def __init__(self, num_inputs: int) -> None:
        self.num_inputs = num_inputs
        self.num_read = 0
        self.warm_bytes = 0
        self.longest_s = 0.0
        self.began_s = time.perf_counter()

    def note(self, seconds: float) -> None:
        """Says that an input was read."""
        self.num_read += 1
        self.longest_s = max(self.longest_s, seconds)
        if self.num_read == int(self.num_inputs * _WARM_PART):
            gc.collect()
            self.warm_bytes = _resident_bytes()
        if self.num_read == self.num_inputs:
            # The fuzzer ends the process without a word to Python.
            gc.collect()
            grown = _resident_bytes() - self.warm_bytes
            seconds = time.perf_counter() - self.began_s
            found = {
                "inputs": self.num_read,
                "seconds": round(seconds, 1),
                "longest_s": round(self.longest_s, 3),
                "grown_mb": round(grown / 1e6, 1),
            }
            print(json.dumps(found), flush=True)


def _resident_bytes() -> int:
    pages = int(pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def main() -> None:
    """Fuzzes until all inputs were read, or one is a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True)
    parser.add_argument("--inputs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="empty")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=["tff_retail"]):
        from benchmarks.fuzz.targets import make_target

        target = make_target(arguments.target)
    corpus = arguments.folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    watch = _Watch(arguments.inputs)

    def read(data: bytes) -> None:
        began_s = time.perf_counter()
        target.run(data)
        watch.note(time.perf_counter() - began_s)

    options = [
        f"-runs={arguments.inputs}",
        f"-seed={arguments.seed}",
        f"-timeout={_HANG_S}",
        f"-rss_limit_mb={_LIMIT_MB}",
        f"-max_len={target.max_bytes}",
        f"-artifact_prefix={arguments.folder}/",
        "-len_control=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
