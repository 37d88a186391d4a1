"""What `fleet list` and `fleet status` print."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from tff_retail.program.process_mark import (
    ENDED,
    SIGN_OF_LIFE_S,
    UNKNOWN,
    process_state,
)
from tff_retail.program.text_table import format_table
from tff_retail.transport.fleet_folder import FleetFolder
from tff_retail.transport.json_file import read_json_file
from tff_retail.transport.store_admittance import waiting_invitations
from tff_retail.transport.store_records import REVOKED, StoreRecord

_LIST_HEADER = ("store", "state", "joined", "certificate until")
_STATUS_HEADER = (
    "store",
    "state",
    "since",
    "release / TensorFlow / Python",
    "examples",
    "last round",
    "trouble",
)
_SILENCE = datetime.timedelta(seconds=4 * SIGN_OF_LIFE_S)
_ENDED_STATES = ("finished", "stopped")


def fleet_list(fleet: FleetFolder) -> list[dict[str, Any]]:
    """Every store that was invited or has joined, by name, as JSON values.

    Raises:
      ConfigurationError: a file of the fleet can't be read.
    """
    records = {record.name: record for record in fleet.stores.all()}
    waiting = waiting_invitations(fleet)
    found = [_listed(record, fleet.clock(), record.name in waiting) for record in records.values()]
    found += [
        {"name": name, "state": "invited", "joined_at": None, "until": end.isoformat()}
        for name, end in waiting.items()
        if name not in records
    ]
    return sorted(found, key=lambda store: store["name"])


def fleet_list_text(fleet: FleetFolder) -> str:
    """The same as a table.

    Raises:
      ConfigurationError: a file of the fleet can't be read.
    """
    stores = fleet_list(fleet)
    if not stores:
        return "no store has been invited; `fleet invite NAME` prints a token for one"
    rows = [(s["name"], s["state"], _minute(s["joined_at"]), _minute(s["until"])) for s in stores]
    return f"chain {fleet.chain_id}\n{format_table(_LIST_HEADER, rows)}"


def fleet_status(fleet: FleetFolder) -> dict[str, Any] | None:
    """What the coordinator wrote last (`program/fleet_status.py`); None before the first one.

    Raises:
      ConfigurationError: the file holds something else.
    """
    try:
        return read_json_file(fleet.status_path)
    except FileNotFoundError:
        return None


def fleet_status_text(fleet: FleetFolder) -> str:
    """Who is connected, since when, and what went wrong.

    Raises:
      ConfigurationError: a file of the fleet can't be read.
    """
    status = fleet_status(fleet)
    known = status.get("stores", {}) if status else {}
    names = sorted({*known, *(s["name"] for s in fleet_list(fleet) if s["state"] == "active")})
    rows = [_status_row(name, known.get(name)) for name in names]
    lines = [_headline(status, fleet.clock()), *_absence(status, fleet.clock())]
    if rows:
        lines.append(format_table(_STATUS_HEADER, rows))
    lines += [f"{name}: {error}" for name in names if (error := _error(known.get(name)))]
    end = fleet.server_certificate_end()
    lines.append(f"headquarters' certificate holds until {end:%Y-%m-%d}")
    return "\n".join(lines)


def _listed(record: StoreRecord, now: datetime.datetime, is_invited: bool) -> dict[str, Any]:
    until = max((c.accepted_until for c in record.certificates), default=record.joined_at)
    return {
        "name": record.name,
        "state": _state(record, until < now, is_invited),
        "joined_at": record.joined_at.isoformat(),
        "until": until.isoformat(),
    }


def _state(record: StoreRecord, has_ended: bool, is_invited: bool) -> str:
    if record.state == REVOKED:
        return "revoked, invited" if is_invited else "revoked"
    if has_ended:
        return "expired"
    return "renewal wanted" if record.is_renewal_wanted else "active"


def _headline(status: Mapping[str, Any] | None, now: datetime.datetime) -> str:
    if status is None:
        return "no coordinator has written a status yet"
    written = datetime.datetime.fromisoformat(status["written_at"])
    connected = sum(bool(s.get("is_connected")) for s in status.get("stores", {}).values())
    state = " ".join(str(status[key]) for key in ("state", "round") if status.get(key))
    run = f"run {status.get('run') or '-'}, {state}: {connected} connected"
    return f"{run}; last change {written:%Y-%m-%d %H:%M:%S} UTC, {_age(now - written)} ago"


def _status_row(name: str, store: Mapping[str, Any] | None) -> Sequence[str]:
    if store is None:
        return (name, "never seen", "", "", "", "", "")
    return (
        name,
        _connection(store),
        _minute(store.get("since")),
        " / ".join(store.get(key) or "-" for key in ("software", "tensorflow", "python")),
        ", ".join(f"{count} {split}" for split, count in (store.get("examples") or {}).items()),
        str(store.get("last_round") or ""),
        _trouble(store.get("trouble")),
    )


def _trouble(trouble: Mapping[str, Any] | None) -> str:
    """Such as `too_late since 11-21 09:12, 3 times`."""
    if not trouble:
        return ""
    times = f", {trouble['times']} times" if trouble["times"] > 1 else ""
    return f"{trouble['code']} since {_minute(trouble['since'])[5:]}{times}"


def _error(store: Mapping[str, Any] | None) -> str:
    """What headquarters has in words for a store that is in trouble now."""
    if store is None or not store.get("trouble"):
        return ""
    return str((store.get("is_connected") and store.get("last_error")) or store.get("left") or "")


def _absence(status: Mapping[str, Any] | None, now: datetime.datetime) -> Sequence[str]:
    """That whoever wrote the status has gone without a word, so that it shows what was."""
    if status is None or status.get("state") in _ENDED_STATES:
        return []
    fate = process_state(status.get("process"))
    age = now - datetime.datetime.fromisoformat(status["written_at"])
    if fate == ENDED:
        found = f"its coordinator, process {status['process']['id']}, was killed"
    elif fate == UNKNOWN and age > _SILENCE:
        found = "its coordinator has given no sign of life since"
    else:
        return []
    return [f"{found}; below is what was. The same training command goes on from its last round"]


def _connection(store: Mapping[str, Any]) -> str:
    if not store.get("is_connected"):
        return "away"
    return "ready" if store.get("is_ready") else "connected"


def _minute(time: str | None) -> str:
    return f"{datetime.datetime.fromisoformat(time):%Y-%m-%d %H:%M}" if time else ""


def _age(age: datetime.timedelta) -> str:
    seconds = max(0, round(age.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
