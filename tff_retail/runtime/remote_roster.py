"""Which real stores take part in a round: those that are connected and not set aside.

What a round began with is written down before it begins, so that a coordinator that was killed
waits for the same stores, asks the same cohort and gets the same model.
"""

import json
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tff_retail.runtime.connected_stores import ConnectedStores
from tff_retail.runtime.plain_collector import Collection
from tff_retail.runtime.remote_store import RemoteStore
from tff_retail.runtime.store import QuorumMissed
from tff_retail.runtime.store_standing import StoreStanding

# Between two lines about a wait: seldom enough for a log, often enough to see that nothing hangs.
_HEARTBEAT_S = 30.0


class RemoteRoster:
    """A `Roster` of connected stores.

    Args:
      connected: who is there.
      make_store: gives the store of a name.
      min_stores: that a round needs.
      min_available_stores: that the first round waits for.
      wait_s: how long stores that are needed are waited for.
      retry_wait_s: how long a round that missed its quorum waits for those that it lost, and an
        evaluation for those that trained and were lost since.
      path: of the file that says what the round under way began with.
      why_missing: says of every store of the fleet that is not there what is known of it.
      say: told what is waited for.
    """

    def __init__(
        self,
        connected: ConnectedStores,
        make_store: Callable[[str], RemoteStore],
        *,
        min_stores: int,
        min_available_stores: int,
        wait_s: float,
        retry_wait_s: float,
        path: pathlib.Path,
        why_missing: Callable[[], str],
        say: Callable[[str], None],
    ) -> None:
        self._connected, self._make_store = connected, make_store
        self._min_stores, self._min_available = min_stores, min_available_stores
        self._wait_s, self._retry_wait_s = wait_s, retry_wait_s
        self._path, self._why_missing, self._say = path, why_missing, say
        self._known: dict[str, RemoteStore] = {}
        self._begun = _read(path)
        self._standing = StoreStanding(self._begun.get("standing"))
        self._asked: list[str] = []
        self._gave: list[str] = self._begun.get("stores", [])

    def wait_for_start(self) -> None:
        """Waits until training may start.

        Raises:
          QuorumMissed: too few stores came.
        """
        self._need(self._min_available, "--min_available_stores")

    def stores(self, round_num: int, attempt: int) -> Sequence[RemoteStore]:
        """See `Roster.stores`.

        Raises:
          QuorumMissed: fewer than `min_stores` are there, and no more came.
        """
        if attempt:
            self._wait_for(self._asked, self._retry_wait_s)
        names = self._as_begun(round_num) if attempt == 0 else None
        if names is None:
            self._need(self._min_stores, "--min_stores")
            names = self._available(round_num)
        self._begin(round_num, names)
        return [self._store(name) for name in names]

    def heed(self, round_num: int, collection: Collection) -> None:
        """See `Roster.heed`."""
        self._asked = [outcome.store for outcome in collection.outcomes]
        self._gave = [outcome.store for outcome in collection.outcomes if outcome.failure is None]
        for sentence in self._standing.heed(round_num, collection.outcomes):
            self._say(sentence)

    def with_examples(self, split: str) -> Sequence[RemoteStore]:
        """The stores that are there and have examples of `split`, or do not tell.

        Whoever trained last and was lost since is waited for: an evaluation without it would be of
        other photographs, and might take another model for the best.
        """
        if not self._wait_for(self._gave, self._retry_wait_s):
            there = self._connected.names()
            self._gave = [name for name in self._gave if name in there]  # waited for once
        links = ((name, self._connected.find(name)) for name in self._connected.names())
        return [
            self._store(name)
            for name, link in links
            if link is not None and link.examples.get(split, 1)
        ]

    @property
    def num_known(self) -> int:
        """How many stores have taken part so far."""
        return len(self._known)

    def _available(self, round_num: int) -> list[str]:
        there = self._connected.names()
        fit = [name for name in there if not self._standing.is_paused(name, round_num)]
        # Better a store that may fail than a round that must.
        return fit if len(fit) >= self._min_stores else there

    def _as_begun(self, round_num: int) -> list[str] | None:
        """The stores that this round began with before the coordinator was started again."""
        begun, self._begun = self._begun, {}
        if begun.get("round") != round_num:
            return None
        names: list[str] = begun["stores"]
        missing = sorted(set(names) - set(self._connected.names()))
        if missing:
            self._say(
                f"round {round_num} had begun with {_listed(missing)} too; waiting up to "
                f"{self._wait_s:.0f} s for the same stores"
            )
        if self._wait_for(names, self._wait_s):
            return names
        self._say(
            f"round {round_num} goes on with the stores that are there; its model is another than "
            "it would have been without the stop"
        )
        return None

    def _need(self, number: int, flag: str) -> None:
        """Waits for a number of stores, and says so now and then."""
        deadline = time.monotonic() + self._wait_s
        while True:
            left_s = max(deadline - time.monotonic(), 0.0)
            there = self._connected.names()
            if len(there) >= number:
                return
            if not left_s:
                raise QuorumMissed(
                    f"{flag} needs {number} stores, and {len(there)} were there after "
                    f"{self._wait_s:.0f} s ({_listed(there)}); missing: {self._why_missing()}"
                )
            self._say(
                f"waiting up to {left_s:.0f} s for stores: {len(there)} of {number} are there "
                f"({_listed(there)})"
            )
            self._connected.wait(
                lambda names: len(names) >= number, within_s=min(left_s, _HEARTBEAT_S)
            )

    def _wait_for(self, names: Iterable[str], within_s: float) -> bool:
        needed = set(names)
        return self._connected.wait(lambda there: needed <= set(there), within_s=within_s)

    def _begin(self, round_num: int, names: Sequence[str]) -> None:
        begun = {
            "round": round_num,
            "stores": list(names),
            "standing": self._standing.to_json(),
        }
        temporary = self._path.with_name(self._path.name + ".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(begun, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)

    def _store(self, name: str) -> RemoteStore:
        if name not in self._known:
            self._known[name] = self._make_store(name)
        return self._known[name]


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = len(names) - most
    shown = ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
    return shown or "none"
