"""Memory for bodies, used again: fresh pages cost more time than the copy into them.

Measured: 100 MB into fresh pages take 42 ms of a core, into pages that were used before 4 ms.
"""

import mmap

from tff_retail.transport.link_faults import PeerFault


class BodyMemory:
    """Pages for bodies that come; what is given back serves for bodies of about the same size.

    Args:
      max_spare_bytes: that are kept for later; the system may take them back when it needs memory.
    """

    def __init__(self, max_spare_bytes: int) -> None:
        self._max_spare_bytes = max_spare_bytes
        self._spare: list[mmap.mmap] = []

    def take(self, size: int) -> mmap.mmap:
        """Pages for `size` bytes or some more, with anything in them.

        Fresh ones take memory only as they are written to, so that a declared size costs nothing.

        Raises:
          PeerFault: there is no memory for so much.
        """
        for index, pages in enumerate(self._spare):
            if size <= len(pages) <= 2 * size:
                return self._spare.pop(index)
        self._spare.clear()  # bodies have another size now
        try:
            return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as error:
            raise PeerFault(f"There is no memory for a body of {size} bytes") from error

    def give_back(self, view: memoryview) -> None:
        """Takes a body back, which must not be looked at from then on.

        Pages that something still refers to, such as an array made of them, are left to it.
        """
        pages = view.obj
        try:
            view.release()
            if isinstance(pages, mmap.mmap):
                pages.resize(len(pages))  # to the same: fails if anything refers to the pages
                self._keep(pages)
        except BufferError:
            pass

    def _keep(self, pages: mmap.mmap) -> None:
        if sum(map(len, self._spare)) + len(pages) <= self._max_spare_bytes:
            pages.madvise(mmap.MADV_FREE)
            self._spare.append(pages)
