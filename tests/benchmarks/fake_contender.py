"""A contender without TensorFlow that behaves as it is told; run by tests of the driver."""

import argparse
import os
import pathlib
import subprocess
import sys
import time

from benchmarks.contender import Orders

_HANG_S = 600


def _train_round(name: str, diary: pathlib.Path) -> int:
    with diary.open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")
    return 100


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--diary", type=pathlib.Path, required=True)
    parser.add_argument("--behaviour", default="")
    arguments = parser.parse_args()
    orders = Orders()
    print("chatter that is no answer")
    if arguments.behaviour == "ends at once":
        sys.exit("no such pictures")
    if arguments.behaviour == "never ready":
        time.sleep(_HANG_S)
    if arguments.behaviour == "leaves a daemon":
        daemon = subprocess.Popen(
            [sys.executable, "-c", f"import time; time.sleep({_HANG_S})"], start_new_session=True
        )
        arguments.diary.with_suffix(".pid").write_text(str(daemon.pid))
    orders.ready({"fake": "1.0"})
    rounds = 0
    while orders.wait():
        rounds += 1
        if arguments.behaviour == "dies in round 2" and rounds == 2:
            os._exit(3)
        if arguments.behaviour == "hangs in round 2" and rounds == 2:
            time.sleep(_HANG_S)
        orders.done(_train_round(arguments.name, arguments.diary))


if __name__ == "__main__":
    main()
