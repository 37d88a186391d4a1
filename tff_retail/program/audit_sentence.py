"""What an entry of the audit log says, in a few words for a table."""

from collections.abc import Callable, Mapping
from typing import Any

from tff_retail.privacy.audit_entry import AuditEntry

# Of a digest, for people's eyes.
_DIGITS = 12


def audit_sentence(entry: AuditEntry) -> str:
    """The gist of an entry; '' for one that says no more than its name."""
    says = _SENTENCES.get(entry.event)
    return says(entry.fields) if says is not None else ""


def _started(fields: Mapping[str, Any]) -> str:
    return f"{fields.get('software', '')}, policy {_short(fields.get('policy'))}"


def _connected(fields: Mapping[str, Any]) -> str:
    return f"{fields.get('who', '')}, run {fields.get('run') or '-'}"


def _manifest(fields: Mapping[str, Any]) -> str:
    outcome = fields.get("declined")
    return f"declined: {outcome}" if outcome else f"taken, of the run {fields.get('run') or '-'}"


def _released(fields: Mapping[str, Any]) -> str:
    what = f"{fields.get('role')}, round {fields.get('round')} of {fields.get('run') or '-'}"
    return f"{what}, to a client" if str(fields.get("who")).startswith("client") else what


def _refused(fields: Mapping[str, Any]) -> str:
    times = fields.get("times", 1)
    return f"{fields.get('rule')}{f', {times:,} times' if times != 1 else ''}"


def _model(fields: Mapping[str, Any]) -> str:
    outcome = fields.get("refused")
    return f"{fields.get('name')} {f'refused: {outcome}' if outcome else 'installed'}"


def _unwritten(fields: Mapping[str, Any]) -> str:
    return f"{fields.get('entries')} entries since {fields.get('since')}"


def _countersigned(fields: Mapping[str, Any]) -> str:
    return f"by certificate {_short(fields.get('certificate'))}"


def _short(digest: Any) -> str:
    return str(digest or "default")[:_DIGITS]


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "started": _started,
    "connected": _connected,
    "manifest": _manifest,
    "released": _released,
    "refused": _refused,
    "model": _model,
    "unwritten": _unwritten,
    "countersigned": _countersigned,
}
