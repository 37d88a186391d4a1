"""Raised where the audit log can't be written."""


class AuditUnwritable(Exception):
    """An entry is not on the disk, so what it is about must not happen; the message says why."""
