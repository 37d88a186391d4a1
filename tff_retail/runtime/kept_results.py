"""Results that a store gave, kept until headquarters has made sure of their round.

    <folder>/<digest of the run>/<round>-<digest of the question>.pb

A store that is asked again gives the same bytes and computes nothing, however often either side
was restarted in between.
"""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import shutil
import threading
from collections.abc import Callable, Sequence

from tff_retail.runtime.value_encoding import Buffer, num_bytes

_SUFFIX = ".pb"
# Of the digests that name files: 128 bits name no two questions alike.
_DIGITS = 32


@dataclasses.dataclass(frozen=True)
class Question:
    """What a result answers.

    Attributes:
      run: the run that asks.
      round_num: of the run.
      digest: SHA-256, in hex, of all that the result depends on but the store's photographs.
    """

    run: str
    round_num: int
    digest: str


class KeptResults:
    """Results on disk, written beside the work.

    A result that was lost with the power is computed again, to the same bits as long as no
    photograph has changed; so nothing waits for the disk.

    Args:
      folder: belongs to this object alone; made where it is missing.
      max_bytes: of all results together; the oldest go first.
      say: told where the disk can't take a result.
    """

    def __init__(self, folder: pathlib.Path, *, max_bytes: int, say: Callable[[str], None]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._max_bytes, self._say = folder, max_bytes, say
        self._lock = threading.Lock()
        self._unwritten: dict[pathlib.Path, Sequence[Buffer]] = {}
        self._writer = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="results")
        for leftover in folder.glob("*/*.tmp"):
            with contextlib.suppress(OSError):  # a folder, which only an executor gone mad makes
                leftover.unlink()

    def find(self, question: Question) -> list[Buffer] | None:
        """The result that was given, or None."""
        path = self._path(question)
        with self._lock:
            if path in self._unwritten:
                return list(self._unwritten[path])
        try:
            return [path.read_bytes()]
        except OSError:  # it is not there, or can't be read: then it is computed again
            return None

    def keep(self, question: Question, result: Sequence[Buffer]) -> None:
        """Has a result written, unless it is larger than all that may be kept."""
        if num_bytes(result) > self._max_bytes:
            return
        path = self._path(question)
        with self._lock:
            self._unwritten[path] = result
        self._writer.submit(self._write, path, result)

    def acknowledge(self, run: str, round_num: int) -> None:
        """Drops the results of a run up to a round that is durable at headquarters."""
        self._writer.submit(self._drop, self._run_folder(run), round_num)

    def close(self) -> None:
        """Waits for what is being written."""
        self._writer.shutdown()

    def _run_folder(self, run: str) -> pathlib.Path:
        return self._folder / hashlib.sha256(run.encode()).hexdigest()[:_DIGITS]

    def _path(self, question: Question) -> pathlib.Path:
        name = f"{question.round_num:010}-{question.digest[:_DIGITS]}{_SUFFIX}"
        return self._run_folder(question.run) / name

    def _write(self, path: pathlib.Path, result: Sequence[Buffer]) -> None:
        temporary = path.with_suffix(".tmp")
        try:
            self._make_room(num_bytes(result))
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with open(
                os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
            ) as out:
                out.writelines(result)
                out.flush()
                os.fdatasync(out.fileno())
            os.replace(temporary, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            self._say(f"a result could not be kept in {self._folder} ({error.strerror})")
        finally:
            with self._lock:
                self._unwritten.pop(path, None)

    def _make_room(self, needed: int) -> None:
        files = sorted(
            ((path.stat().st_mtime_ns, path.stat().st_size, path) for path in self._results()),
            reverse=True,
        )
        room = self._max_bytes - needed
        for _, size, path in files:  # the newest stay
            room -= size
            if room < 0:
                path.unlink(missing_ok=True)

    def _results(self) -> list[pathlib.Path]:
        return list(self._folder.glob(f"*/*{_SUFFIX}"))

    def _drop(self, folder: pathlib.Path, round_num: int) -> None:
        for path in folder.glob(f"*{_SUFFIX}"):
            if int(path.name.partition("-")[0]) <= round_num:
                path.unlink(missing_ok=True)
        if folder.exists() and not any(folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)
