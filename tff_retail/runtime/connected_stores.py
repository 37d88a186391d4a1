"""The stores that are connected and ready, by name, and those who wait for them."""

import asyncio
import threading
from collections.abc import Callable, Sequence

from tff_retail.transport.store_link import StoreLink


class ConnectedStores:
    """Who is there now and works under the manifest.

    `add`, `look_again`, `remove` and `link` are called on the loop of the link server, the rest
    from any thread.
    """

    def __init__(self) -> None:
        self._links: dict[str, StoreLink] = {}
        self._condition = threading.Condition()
        self._waiting: set[asyncio.Event] = set()

    def add(self, link: StoreLink) -> None:
        """Takes a store in that is ready; a newer link takes the place of an older one."""
        with self._condition:
            self._links[link.name] = link
        self.look_again()

    def look_again(self) -> None:
        """Has those who wait look, since a store that is there is ready again, or is not."""
        with self._condition:
            self._condition.notify_all()
        for event in self._waiting:
            event.set()

    def remove(self, link: StoreLink) -> None:
        """Lets a link go, unless the store has a newer one."""
        with self._condition:
            if self._links.get(link.name) is link:
                del self._links[link.name]

    def names(self) -> list[str]:
        """The names of the stores that are there, sorted."""
        with self._condition:
            return self._names()

    def find(self, name: str) -> StoreLink | None:
        """The link of a store; None where it is not there."""
        with self._condition:
            link = self._links.get(name)
            return link if link is not None and link.manifest else None

    def is_resting(self, name: str) -> bool:
        """Whether a store is connected that was ready, and is not for now."""
        with self._condition:
            return name in self._links and not self._links[name].manifest

    def wait(
        self,
        is_enough: Callable[[Sequence[str]], bool],
        *,
        within_s: float,
        on_change: Callable[[Sequence[str]], None] = lambda names: None,
    ) -> bool:
        """Waits until enough stores are there.

        Args:
          is_enough: of the names that are there.
          within_s: after so many seconds it is given up.
          on_change: told the names at first and after each change.

        Returns:
          Whether there are enough.
        """
        told: list[str] | None = None

        def look() -> bool:
            nonlocal told
            names = self._names()
            if names != told:
                told = names
                on_change(names)
            return is_enough(names)

        with self._condition:
            return self._condition.wait_for(look, within_s)

    async def link(
        self, name: str, *, instead_of: StoreLink | None = None, within_s: float
    ) -> StoreLink | None:
        """The link of a store, waited for where it is not there.

        Args:
          name: of the store.
          instead_of: a link that was lost, which does not count.
          within_s: after so many seconds it is given up.

        Returns:
          The link, or None.
        """
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            async with asyncio.timeout(within_s):
                while (found := self.find(name)) is None or found is instead_of:
                    await changed.wait()
                    changed.clear()
                return found
        except TimeoutError:
            return None
        finally:
            self._waiting.discard(changed)

    def _names(self) -> list[str]:
        # A store that declines the manifest later stays connected, and is of no use.
        return sorted(name for name, link in self._links.items() if link.manifest)
