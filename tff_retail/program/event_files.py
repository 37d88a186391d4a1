"""TensorBoard's event files, cut back so that a resumed run tells no round twice.

An event file only ever grows: a run that is killed after it told a round, and before that
round's state was durable, tells the round again when it goes on. Its files are therefore cut
before the first event of the rounds to come. The file format is a sequence of records, each a
length (8 bytes), its checksum (4), the event and its checksum (4):
https://github.com/tensorflow/tensorboard/blob/2.14.1/tensorboard/summary/writer/record_writer.py
"""

import os
import pathlib
import struct
import time
from typing import BinaryIO

_HEADER = struct.Struct("<QI")
_FOOTER_BYTES = 4


def cut_events(folder: pathlib.Path, next_round: int) -> None:
    """Ends every event file in `folder` before its first event of `next_round` or later.

    A record that a killed process left half written ends its file too. A TensorBoard that is
    watching, and has read what is cut, is told to forget it.

    Args:
      folder: where the event files lie; need not exist.
      next_round: the first step that will be written anew.
    """
    is_cut = False
    for path in sorted(folder.glob("*.tfevents.*")):
        with path.open("rb") as file:
            end = _end_of_kept_events(file, next_round)
        if end < path.stat().st_size:
            os.truncate(path, end)
            is_cut = True
    if is_cut:
        _tell_restart(folder, next_round)


def _tell_restart(folder: pathlib.Path, next_round: int) -> None:
    """Adds a file that makes TensorBoard forget `next_round` and later.

    TensorBoard reads a folder's files in the order of their names; `-` puts this one before the
    writer's own, whose name goes on with the host's.
    """
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    with (folder / f"events.out.tfevents.{int(time.time())}.-restart").open("wb") as file:
        writer = RecordWriter(file)
        for event in (
            event_pb2.Event(file_version="brain.Event:2"),
            event_pb2.Event(step=next_round, session_log=start),
        ):
            writer.write(event.SerializeToString())


def _end_of_kept_events(file: BinaryIO, next_round: int) -> int:
    """Offset in bytes of the first event to leave out, or of the file's end."""
    from tensorboard.compat.proto import event_pb2

    while True:
        start = file.tell()
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return start
        num_bytes, _ = _HEADER.unpack(header)
        record = file.read(num_bytes + _FOOTER_BYTES)
        if len(record) < num_bytes + _FOOTER_BYTES:
            return start
        event = event_pb2.Event.FromString(record[:num_bytes])
        # The file's first event names its version and has step 0, whatever the round.
        if event.HasField("summary") and event.step >= next_round:
            return start
