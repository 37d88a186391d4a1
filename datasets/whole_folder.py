"""A folder that is there whole or not at all, and says what it was made from."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tff_retail.config import ConfigurationError

# Hidden, so that whoever reads the folder as a chain of stores passes it over.
MADE_FROM_FILE = ".made_from.json"
_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}


def make_whole_folder(
    output_dir: pathlib.Path,
    *,
    made_from: Mapping[str, Any],
    write: Callable[[pathlib.Path], None],
) -> bool:
    """Fills `output_dir` once; a folder made from the same values is left as it is.

    `write` fills a hidden folder beside the target, which gets its name at the end. A process
    that is killed leaves only that hidden folder, and the next one starts it anew; a second
    process waits for the first and finds its work done.

    Args:
      output_dir: the target; its parents are made.
      made_from: what decides the content, as JSON values.
      write: fills the folder it is given.

    Returns:
      True where the folder was made, False where it was there.

    Raises:
      ConfigurationError: the target holds something else, or can't be written.
    """
    target = output_dir.expanduser().absolute()
    try:
        while not _is_made(target, made_from):
            partial = target.with_name(f".{target.name}.partial")
            with _locked(partial) as is_ours:
                if not is_ours:
                    continue
                if _is_made(target, made_from):  # by another process, before the lock was ours
                    shutil.rmtree(partial)
                    return False
                _fill(partial, made_from, write)
                os.rename(partial, target)
                return True
        return False
    except OSError as error:
        reason = "no room left" if error.errno in _FULL_DISK else error.strerror
        raise ConfigurationError(
            f"--output_dir must be a folder that can be written, found {str(output_dir)!r} "
            f"({reason}); free some room or choose another"
        ) from error


def _is_made(target: pathlib.Path, made_from: Mapping[str, Any]) -> bool:
    """Whether the target was made from these values; False where there is nothing yet."""
    try:
        if not any(target.iterdir()):
            return False
    except FileNotFoundError:  # another process may rename it into place this very moment
        return False
    try:
        found = json.loads((target / MADE_FROM_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise _refusal(target, "a folder of other files") from error
    # Through JSON, which makes lists of tuples.
    wanted = json.loads(json.dumps(made_from))
    if found != wanted:
        keys = sorted(found.keys() | wanted.keys())
        different = [key for key in keys if found.get(key) != wanted.get(key)]
        raise _refusal(target, "one made with " + _settings(found, different))
    return True


def _settings(values: Mapping[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name}={values.get(name)}" for name in names)


def _refusal(target: pathlib.Path, found: str) -> ConfigurationError:
    return ConfigurationError(
        f"--output_dir must be a new or an empty folder, or one made with the same settings, "
        f"found {str(target)!r}, {found}; remove it or choose another"
    )


@contextlib.contextmanager
def _locked(partial: pathlib.Path) -> Iterator[bool]:
    """Makes the folder and locks it; False where it went away while another process held it."""
    partial.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        # The kernel frees the lock when a process dies. Where the disk has none, nothing waits.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield _is_same(descriptor, partial)
    finally:
        os.close(descriptor)


def _is_same(descriptor: int, path: pathlib.Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _fill(
    partial: pathlib.Path,
    made_from: Mapping[str, Any],
    write: Callable[[pathlib.Path], None],
) -> None:
    for leftover in partial.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    try:
        write(partial)
        text = json.dumps(made_from, indent=2, ensure_ascii=False)
        (partial / MADE_FROM_FILE).write_text(text + "\n", encoding="utf-8")
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
