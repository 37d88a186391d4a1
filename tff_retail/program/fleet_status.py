"""What headquarters knows of its stores, in `<fleet>/status.json` for `fleet status` to show.

Nothing in it comes from inside a store but what its reports say: names of states, codes, numbers.
What went wrong with a store last is its `trouble`: a code of docs/operations.md, since when, and
how often in a row; `troubles` counts them all.
"""

import asyncio
import datetime
import pathlib
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tff_retail.privacy.rule_meaning import known_rule
from tff_retail.program.process_mark import SIGN_OF_LIFE_S, process_mark
from tff_retail.runtime.plain_collector import Outcome
from tff_retail.transport.json_file import write_json_file
from tff_retail.transport.link_surroundings import HEADQUARTERS_ENDED
from tff_retail.transport.store_link import StoreLink

# Between two writes: a thousand stores that connect at once are one line of news.
_WRITE_EVERY_S = 1.0


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class FleetStatus:
    """Notes what happens to stores; from any thread, but for `keep_written`.

    Args:
      path: of the file.
      run: the run's name.
      address: where headquarters listens.
      clock: gives the time, aware.
    """

    def __init__(
        self,
        path: pathlib.Path,
        *,
        run: str,
        address: str,
        clock: Callable[[], datetime.datetime] = _now,
    ) -> None:
        self._path, self._clock = path, clock
        self._lock = threading.Lock()
        self._stores: dict[str, dict[str, Any]] = {}
        self._run: dict[str, Any] = {"run": run, "address": address, "state": "starting"}
        self._run["process"] = process_mark()
        self._is_changed = True

    def joined(self, link: StoreLink) -> None:
        """A store has connected."""
        self._note(
            link.name,
            is_connected=True,
            is_ready=False,
            since=self._time(),
            software=link.hello.software,
            tensorflow=link.hello.tensorflow,
            python=link.hello.python,
            certificate_ends=link.certificate.not_after.isoformat(timespec="seconds"),
        )

    def ready(self, link: StoreLink) -> None:
        """A store works under the manifest."""
        self._note(link.name, is_ready=True, examples=dict(link.examples), last_error=None)
        self._recovered(link.name)

    def left(self, name: str, reason: str) -> None:
        """A store's connection has ended."""
        self._note(name, is_connected=False, is_ready=False, since=self._time(), left=reason)
        if reason != HEADQUARTERS_ENDED:  # that is no trouble of the store's
            self._trouble(name, _code_of_leaving(reason))

    def failed(self, name: str, error: str, code: str) -> None:
        """Something went wrong with a store; `code` says the same in a word."""
        self._note(name, last_error=error, last_error_at=self._time())
        self._trouble(name, code)

    def withdrew(self, name: str, error: str) -> None:
        """A store that was ready is not for now."""
        self._note(name, is_ready=False, last_error=error, last_error_at=self._time())
        self._trouble(name, known_rule(error))

    def reported(self, name: str, report: Mapping[str, Any]) -> None:
        """A store told how it fares."""
        self._note(name, report=dict(report))

    def collected(self, round_num: int, outcomes: Iterable[Outcome]) -> None:
        """A round was collected."""
        for outcome in outcomes:
            if outcome.failure is None:
                self._note(outcome.store, last_round=round_num, last_seconds=outcome.seconds)
                self._recovered(outcome.store)
            elif not outcome.is_surplus:
                self.failed(outcome.store, outcome.failure, outcome.code)

    def run_state(self, state: str, **values: Any) -> None:
        """The run is at `state`, such as `training`."""
        with self._lock:
            self._run |= {"state": state, **values}
            self._is_changed = True

    def why_missing(self, names: Iterable[str]) -> str:
        """What is known of these stores that are not ready, for a sentence."""
        with self._lock:
            reasons = [f"{name} ({_reason(self._stores.get(name))})" for name in sorted(names)]
        return "; ".join(reasons) or "no other store has joined the fleet"

    def to_json(self) -> dict[str, Any]:
        """All that is known."""
        with self._lock:
            stores = {name: dict(each) for name, each in sorted(self._stores.items())}
            return {**self._run, "written_at": self._time(), "stores": stores}

    async def keep_written(self) -> None:
        """Writes the file whenever something has changed, until cancelled."""
        while True:
            for _ in range(round(SIGN_OF_LIFE_S / _WRITE_EVERY_S)):
                await asyncio.to_thread(self.write)
                await asyncio.sleep(_WRITE_EVERY_S)
            with self._lock:
                self._is_changed = True

    def write(self) -> None:
        """Writes the file, if anything has changed; a full disk must not end a run."""
        with self._lock:
            is_changed, self._is_changed = self._is_changed, False
        if is_changed:
            try:
                write_json_file(self._path, self.to_json())
            except OSError:  # once there is room again it is written
                with self._lock:
                    self._is_changed = True

    def _note(self, name: str, **values: Any) -> None:
        with self._lock:
            self._stores.setdefault(name, {}).update(values)
            self._is_changed = True

    def _trouble(self, name: str, code: str) -> None:
        with self._lock:
            store = self._stores.setdefault(name, {})
            last = store.get("trouble")
            if last is None or last["code"] != code:
                last = {"code": code, "since": self._time(), "times": 0}
            store["trouble"] = {**last, "times": last["times"] + 1}
            counts = store.get("troubles", {})
            store["troubles"] = {**counts, code: counts.get(code, 0) + 1}
            self._is_changed = True

    def _recovered(self, name: str) -> None:
        with self._lock:
            self._stores[name].pop("trouble", None)

    def _time(self) -> str:
        return self._clock().isoformat(timespec="seconds")


def _code_of_leaving(reason: str) -> str:
    """A word for why a link ended; the reasons are those of `StoreLink` and `RemoteFleet`."""
    for beginning, code in (
        ("refused:", "refused"),
        ("it said goodbye:", "said_goodbye"),
        ("it broke a rule", "broke_protocol"),
    ):
        if reason.startswith(beginning):
            return code
    return "connection_lost"


def _reason(store: Mapping[str, Any] | None) -> str:
    if store is None:
        return "has not connected"
    if store.get("is_ready"):
        return "is ready"
    if store.get("is_connected"):
        error = store.get("last_error")
        return f"can't take part: {error}" if error else "connected, not ready yet"
    return f"left: {store.get('left')}"
