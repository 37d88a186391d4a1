"""What manifests name, kept at a store by digest: graphs, and a frozen backbone's weights."""

import hashlib
import pathlib
from collections.abc import Collection, Iterable

from tff_retail.transport.private_file import write_private_file


class ContentFolder:
    """Files named by the SHA-256 of what they hold.

    Args:
      folder: belongs to this object alone; made where it is missing.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder

    def missing(self, digests: Iterable[str]) -> list[str]:
        """Those of `digests` that are not here, each once."""
        return [digest for digest in dict.fromkeys(digests) if not self._path(digest).exists()]

    def put(self, digest: str, content: bytes | memoryview) -> None:
        """Keeps a content.

        Raises:
          ValueError: it has another digest.
          OSError: the disk can't take it.
        """
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"a content must have the digest {digest[:16]}, has another")
        write_private_file(self._path(digest), bytes(content))

    def read(self, digest: str) -> bytes:
        """A content that is here.

        Raises:
          OSError: it is not, or can't be read.
        """
        return self._path(digest).read_bytes()

    def keep_only(self, digests: Collection[str]) -> None:
        """Removes what no manifest in use names."""
        for path in self._folder.iterdir():
            if path.name not in digests:
                path.unlink(missing_ok=True)

    def _path(self, digest: str) -> pathlib.Path:
        return self._folder / digest
