"""Which content a file had when it was last read, so that a second run opens none of them."""

import json
import os
import pathlib

from datasets.private_files import remove_leftovers, replacing

# Its name in the folder of a store's cache.
INDEX_FILE = "index.json"
_VERSION = 1


class PhotographIndex:
    """Maps a file's (path, size, time of change) to the SHA-256 of its content.

    A file that was changed without a change of its size and its time (in nanoseconds) is
    taken for the old one.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._saved = _read(path)
        self._known: dict[str, tuple[int, int, str]] = {}

    def key(self, path: str, status: os.stat_result) -> bytes | None:
        """The digest of the file at `path`, if it is the one that was read before."""
        entry = self._saved.get(path)
        if entry is None or (entry[0], entry[1]) != (status.st_size, status.st_mtime_ns):
            return None
        self._known[path] = entry
        return bytes.fromhex(entry[2])

    def add(self, path: str, status: os.stat_result, key: bytes) -> None:
        """Remembers what was read."""
        self._known[path] = (status.st_size, status.st_mtime_ns, key.hex())

    def paths(self) -> dict[str, str]:
        """The first path of each content that was read before, by its digest in hexadecimal."""
        return {key: path for path, (_, _, key) in sorted(self._saved.items(), reverse=True)}

    def save(self) -> None:
        """Writes what was asked for or added, if that is other than what was read; the rest,
        photographs that are gone, is forgotten. For the holder of the store's lock."""
        remove_leftovers(self._path)
        if self._known != self._saved:
            values = {"version": _VERSION, "files": self._known}
            with replacing(self._path) as file:
                file.write(json.dumps(values, ensure_ascii=True).encode("ascii"))


def _read(path: pathlib.Path) -> dict[str, tuple[int, int, str]]:
    try:
        values = json.loads(path.read_text(encoding="ascii"))
        if values["version"] != _VERSION:
            return {}
        return {
            name: (int(size), int(time_ns), str(key))
            for name, (size, time_ns, key) in values["files"].items()
            if len(bytes.fromhex(key)) == 32
        }
    # Missing, or damaged from outside: the files are read once more.
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}
