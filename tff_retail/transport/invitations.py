"""Invitations to join: each good once, for one name, until its end.

Headquarters keeps the hash of the secret only: who reads the folder can't join with it.
"""

import datetime
import hashlib
import hmac
import pathlib
import re
import secrets
from typing import Any

from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.join_token import ID_BYTES, SECRET_BYTES
from tff_retail.transport.json_file import read_json_file, write_json_file

_ID = re.compile(f"[0-9a-f]{{{2 * ID_BYTES}}}")


class Invitations:
    """The folder of invitations; callers hold the fleet's lock."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def invite(self, name: str, expires: datetime.datetime) -> tuple[bytes, bytes]:
        """Notes a new invitation for the store `name`.

        Returns:
          Its id and its secret, which is kept nowhere.

        Raises:
          OSError: it can't be written.
        """
        identifier, secret = secrets.token_bytes(ID_BYTES), secrets.token_bytes(SECRET_BYTES)
        values = {"name": name, "expires": expires.isoformat(), "secret_sha256": _hash(secret)}
        write_json_file(self._folder / f"{identifier.hex()}.json", values)
        return identifier, secret

    def check(self, identifier: str, secret: str, now: datetime.datetime) -> str:
        """The name that an invitation is for.

        Args:
          identifier: hexadecimal.
          secret: hexadecimal.
          now: aware.

        Raises:
          EnrolmentRefused: no such invitation, another secret, used before, or ended.
        """
        values = self._read(identifier, secret)
        if "used_at" in values:
            raise EnrolmentRefused(
                "token_used",
                f"the token was used already, at {values['used_at']}; if not by you, revoke "
                f"{values['name']}, and ask for a new invitation",
            )
        if now > datetime.datetime.fromisoformat(values["expires"]):
            raise EnrolmentRefused(
                "token_expired",
                f"the token ended at {values['expires']}; ask for a new invitation",
            )
        return str(values["name"])

    def use(self, identifier: str, now: datetime.datetime) -> None:
        """Marks a checked invitation as used.

        Raises:
          OSError: it can't be written; then it must not be honoured.
        """
        path = self._folder / f"{identifier}.json"
        write_json_file(path, {**read_json_file(path), "used_at": now.isoformat("T", "seconds")})

    def waiting(self, now: datetime.datetime) -> dict[str, datetime.datetime]:
        """Names that may still join, and until when."""
        found = [read_json_file(path) for path in sorted(self._folder.glob("*.json"))]
        ends = {
            values["name"]: datetime.datetime.fromisoformat(values["expires"])
            for values in found
            if "used_at" not in values
        }
        return {name: end for name, end in sorted(ends.items()) if end >= now}

    def withdraw(self, name: str) -> int:
        """Removes what is open for `name`, and says how many there were."""
        paths = list(self._folder.glob("*.json"))
        found = [path for path in paths if _is_open_for(name, read_json_file(path))]
        for path in found:
            path.unlink()
        return len(found)

    def _read(self, identifier: str, secret: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if _ID.fullmatch(identifier) and len(secret) == 2 * SECRET_BYTES:
            try:
                values = read_json_file(self._folder / f"{identifier}.json")
                is_known = hmac.compare_digest(
                    values["secret_sha256"], _hash(bytes.fromhex(secret))
                )
            except (FileNotFoundError, ValueError):
                is_known = False
            if is_known:
                return values
        # The same answer for a wrong secret and an unknown id: a guesser learns nothing.
        raise EnrolmentRefused(
            "token_unknown",
            "headquarters has no such invitation; check that the whole token was pasted, or ask "
            "for a new one",
        )


def _is_open_for(name: str, values: dict[str, Any]) -> bool:
    return values["name"] == name and "used_at" not in values


def _hash(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()
