"""Event files cut back to the rounds that are kept, wherever a kill ended them."""

import pathlib

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from tff_retail.program.event_files import cut_events


def _write_events(path: pathlib.Path, rounds: range) -> list[int]:
    """Writes one scalar a round; returns the file's length after each event."""
    events = [event_pb2.Event(file_version="brain.Event:2")]
    for round_num in rounds:
        value = summary_pb2.Summary.Value(tag="loss", simple_value=round_num / 2)
        events.append(event_pb2.Event(step=round_num, summary=summary_pb2.Summary(value=[value])))
    lengths = []
    with path.open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())
            lengths.append(file.tell())
    return lengths


def _steps(folder: pathlib.Path) -> list[int]:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    if "loss" not in accumulator.Tags()["scalars"]:
        return []
    return [event.step for event in accumulator.Scalars("loss")]


def test_later_rounds_go_from_every_file(tmp_path: pathlib.Path) -> None:
    _write_events(tmp_path / "events.out.tfevents.1.host", range(1, 4))
    _write_events(tmp_path / "events.out.tfevents.2.host", range(4, 8))
    cut_events(tmp_path, 3)
    assert _steps(tmp_path) == [1, 2]


def test_nothing_to_cut_leaves_the_bytes(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "events.out.tfevents.1.host"
    _write_events(path, range(1, 4))
    before = path.read_bytes()
    cut_events(tmp_path, 4)
    assert path.read_bytes() == before


def test_a_tensorboard_that_watches_forgets_what_is_cut(tmp_path: pathlib.Path) -> None:
    _write_events(tmp_path / "events.out.tfevents.1.host", range(1, 5))
    accumulator = EventAccumulator(str(tmp_path))
    accumulator.Reload()
    cut_events(tmp_path, 3)
    _write_events(tmp_path / "events.out.tfevents.9999999999.host", range(3, 6))
    accumulator.Reload()
    assert [event.step for event in accumulator.Scalars("loss")] == [1, 2, 3, 4, 5]


def test_a_file_torn_at_any_byte_ends_after_its_last_whole_event(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "events.out.tfevents.1.host"
    lengths = _write_events(path, range(1, 4))
    whole = path.read_bytes()
    for torn in range(len(whole)):
        path.write_bytes(whole[:torn])
        cut_events(tmp_path, 3)
        expected = max((n for n in lengths[:3] if n <= torn), default=0)
        assert path.read_bytes() == whole[:expected]


def test_a_folder_that_is_not_there_is_nothing_to_cut(tmp_path: pathlib.Path) -> None:
    cut_events(tmp_path / "tensorboard", 1)
    assert not (tmp_path / "tensorboard").exists()
