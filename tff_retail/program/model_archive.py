"""A model folder as one file that travels: a tar archive of plain files, without their times."""

import io
import pathlib
import tarfile

# A folder of a released model has some twenty files, two folders deep.
_MAX_FILES = 1000
_MAX_DEPTH = 4
# What `tarfile` raises where headers are odd: a header before a header is read by recursion, and
# numbers that are none, or too large, come through.
_MALFORMED = (
    tarfile.TarError,
    ArithmeticError,
    EOFError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class MalformedArchive(ValueError):
    """An archive that is no model folder's."""


def pack_model(folder: pathlib.Path) -> bytes:
    """The archive of all files below a folder, without times and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
                entry.size = path.stat().st_size
                with path.open("rb") as file:
                    archive.addfile(entry, file)
    return buffer.getvalue()


def unpack_model(content: bytes | memoryview, folder: pathlib.Path) -> None:
    """Writes the files of an archive below an empty folder, and nothing elsewhere.

    Raises:
      MalformedArchive: it holds other than plain files, or names that lead out of the folder.
      OSError: the disk can't take it.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for number, entry in enumerate(archive):
                if number == _MAX_FILES:
                    raise MalformedArchive(f"a model has {_MAX_FILES} files at most")
                _write(archive, entry, folder)
    except MalformedArchive:
        raise
    except _MALFORMED as error:
        raise MalformedArchive(f"a model must be a tar archive: {error}") from error


def _write(archive: tarfile.TarFile, entry: tarfile.TarInfo, folder: pathlib.Path) -> None:
    name = pathlib.PurePosixPath(entry.name)
    is_inside = not name.is_absolute() and ".." not in name.parts and "\0" not in entry.name
    # A sparse file's zeros are not in the archive: some bytes would stand for any number of them.
    is_plain = entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and entry.sparse is None
    if not is_plain or not is_inside or not 1 <= len(name.parts) <= _MAX_DEPTH:
        raise MalformedArchive(f"a model holds plain files within its folder, found {entry.name!r}")
    source = archive.extractfile(entry)
    assert source is not None  # of a plain file there is one
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(source.read())
