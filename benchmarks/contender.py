"""What a contender of a speed benchmark is: a process that trains one round when it is told to.

The driver starts every contender of a workload, lets each get ready and warm, and then asks them
in turn, so that all of them meet the same moods of the machine. Orders arrive as lines on
standard input; answers leave as lines of JSON on what was standard output when the contender
began. What its libraries print goes to standard error.

    driver                     contender
    (starts it)                {"is_ready": true, "versions": {...}}
    round                      {"num_examples": 1280}
    round                      {"num_examples": 1280}
    (closes standard input)    (ends)

Standard library only, for it runs in the peers' environments too.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence

TrainRound = Callable[[], int]


def contender_arguments(description: str, variants: Sequence[str] = ()) -> argparse.Namespace:
    """`--workload NAME`, `--examples FILE.npz` and `--threads N` (0: the contender's own choice).

    Args:
      description: the contender's.
      variants: what `--variant` can be, the default first; none: there is no such argument.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--workload", required=True)
    parser.add_argument("--examples", required=True)
    parser.add_argument("--threads", type=int, default=0)
    if variants:
        parser.add_argument("--variant", choices=variants, default=variants[0])
    return parser.parse_args()


class Orders:
    """The driver's orders.

    Make it before anything is imported that prints or starts processes.
    """

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        os.set_inheritable(self._answers.fileno(), False)

    def ready(self, versions: Mapping[str, str]) -> None:
        """Tells that rounds can be asked for."""
        self._answer({"is_ready": True, "versions": dict(versions)})

    def wait(self) -> bool:
        """Waits for the next order: True for a round, False for the end."""
        return sys.stdin.readline().strip() == "round"

    def done(self, num_examples: int) -> None:
        """Tells that a round has ended, and how many examples it trained on."""
        self._answer({"num_examples": num_examples})

    def serve(self, train_round: TrainRound, versions: Mapping[str, str]) -> None:
        """Trains a round whenever told to, until the end.

        Args:
          train_round: trains a round; returns the number of examples it trained on.
          versions: of the libraries that count.
        """
        self.ready(versions)
        while self.wait():
            self.done(train_round())

    def _answer(self, values: Mapping[str, object]) -> None:
        self._answers.write(json.dumps(values) + "\n")
