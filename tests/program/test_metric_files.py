"""Each round once in metrics.csv, stores.csv and TensorBoard, whatever kills the process."""

import asyncio
import csv
import pathlib
import subprocess
import sys
import textwrap

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from tff_retail.program.metric_files import MetricFiles

STORES = {"north": {"num_examples": 3, "loss": 0.5}, "上海, 1": {}}

# Forks writers from one process that has imported TensorFlow already, and kills each while it
# writes: after its first line it has told some rounds and is on its way through others.
KILLED_WRITERS = textwrap.dedent(
    """
    import os, pathlib, signal, sys
    from tff_retail.program.metric_files import MetricFiles

    def write(folder, next_round, told):
        files = MetricFiles(folder, next_round=next_round)
        for round_num in range(next_round, 10**6):
            files.release(round_num, {"train/loss": 1 / round_num}, {"north": {"loss": 1.0}})
            os.write(told, b"%d " % round_num)

    folder, kills = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    next_round = 1
    for kill in range(kills):
        read, told = os.pipe()
        child = os.fork()
        if not child:
            write(folder, next_round, told)
        os.close(told)
        heard = b""
        while heard.count(b" ") < 1 + kill % 3:
            heard += os.read(read, 100)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        next_round += 1 + kill % 3
    print(next_round)
    """
)


def _csv_rows(path: pathlib.Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _scalars(folder: pathlib.Path, tag: str) -> list[tuple[int, float]]:
    accumulator = EventAccumulator(str(folder / "tensorboard"), size_guidance={"tensors": 0})
    accumulator.Reload()
    return [
        (event.step, float(tensor_util.make_ndarray(event.tensor_proto)))
        for event in accumulator.Tensors(tag)
    ]


def test_a_round_is_in_each_file_once(tmp_path: pathlib.Path) -> None:
    with MetricFiles(tmp_path) as files:
        files.release(1, {"train/loss": 0.5}, STORES)
        files.release(2, {"train/loss": 0.25, "eval/top_1": 1.0, "stores": 2}, STORES)
        # Read before the files are closed: nothing may wait in memory.
        assert (tmp_path / "metrics.csv").read_text() == (
            "round,train/loss,eval/top_1,stores\n1,0.5,,\n2,0.25,1.0,2\n"
        )
        assert _scalars(tmp_path, "train/loss") == [(1, 0.5), (2, 0.25)]
        assert _scalars(tmp_path, "eval/top_1") == [(2, 1.0)]
    assert [row["store"] for row in _csv_rows(tmp_path / "stores.csv")] == list(STORES) * 2


def test_going_on_tells_later_rounds_anew(tmp_path: pathlib.Path) -> None:
    with MetricFiles(tmp_path) as files:
        for round_num in (1, 2, 3):
            files.release(round_num, {"train/loss": 0.5}, STORES)
    with MetricFiles(tmp_path, next_round=2) as files:
        files.release(2, {"train/loss": 0.25}, STORES)
        files.release(3, {"train/loss": 0.125}, STORES)
    rows = _csv_rows(tmp_path / "metrics.csv")
    assert [(row["round"], row["train/loss"]) for row in rows] == [
        ("1", "0.5"),
        ("2", "0.25"),
        ("3", "0.125"),
    ]
    # In order of files, whose names end in a counter of the process: 10 comes before 9.
    assert sorted(_scalars(tmp_path, "train/loss")) == [(1, 0.5), (2, 0.25), (3, 0.125)]


def test_works_where_an_event_loop_runs_as_in_a_notebook(tmp_path: pathlib.Path) -> None:
    async def cell() -> None:
        with MetricFiles(tmp_path) as files:
            files.release(1, {"train/loss": 0.5})

    asyncio.run(cell())
    assert len(_csv_rows(tmp_path / "metrics.csv")) == 1


def test_a_round_told_twice_is_refused(tmp_path: pathlib.Path) -> None:
    with MetricFiles(tmp_path, next_round=4) as files:
        with pytest.raises(ValueError, match="round 3 was released before; next is 4"):
            files.release(3, {"train/loss": 0.5})


def test_what_a_killed_process_left_unfinished_goes(tmp_path: pathlib.Path) -> None:
    (tmp_path / "metrics.csv_temp1234").write_text("round,tr")
    MetricFiles(tmp_path).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "metrics.csv",
        "stores.csv",
        "tensorboard",
    ]


def test_killed_at_any_moment_each_round_is_there_once(tmp_path: pathlib.Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WRITERS, str(tmp_path), "12"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    next_round = int(killed.stdout)
    assert next_round == 25
    with MetricFiles(tmp_path, next_round=next_round) as files:
        files.release(next_round, {"train/loss": 1 / next_round}, {"north": {"loss": 1.0}})
    expected = list(range(1, next_round + 1))
    assert [int(row["round"]) for row in _csv_rows(tmp_path / "metrics.csv")] == expected
    assert [int(row["round"]) for row in _csv_rows(tmp_path / "stores.csv")] == expected
    assert _scalars(tmp_path, "train/loss") == [
        (n, pytest.approx(1 / n, rel=1e-6)) for n in expected
    ]
