"""The messages of enrolment: one request and one answer a connection, each a JSON object in a line.

The table says which requests there are, which fields each has, and whether the store must show its
present certificate. An answer has the request's result, or `error` (a code) and `sentence`.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tff_retail.transport.certificate_request import MAX_REQUEST_BYTES
from tff_retail.transport.enrolment_refused import EnrolmentRefused

# The largest request is a certificate request, whose line ends take two bytes in JSON.
MAX_LINE_BYTES = 16 * 1024


@dataclasses.dataclass(frozen=True)
class RequestRule:
    """What holds for one kind of request.

    Attributes:
      fields: texts that it has besides `kind`, each with its largest number of characters.
      needs_certificate: whether the store must have shown its certificate.
    """

    fields: Mapping[str, int]
    needs_certificate: bool = False


REQUESTS: Mapping[str, RequestRule] = {
    # The root certificate, to be compared with the token's fingerprint, and headquarters' clock.
    "authority": RequestRule({}),
    # A certificate for an invitation.
    "join": RequestRule({"id": 64, "secret": 64, "request": MAX_REQUEST_BYTES}),
    # Whether `fleet rotate` wants this store to renew.
    "is_renewal_wanted": RequestRule({}, needs_certificate=True),
    # A new certificate for the present one.
    "renew": RequestRule({"request": MAX_REQUEST_BYTES}, needs_certificate=True),
}


def encode_line(values: Mapping[str, Any]) -> bytes:
    """A message as it travels."""
    return json.dumps(values).encode() + b"\n"


def decode_line(line: bytes) -> dict[str, Any]:
    """The object of a line.

    Raises:
      EnrolmentRefused: it is none.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise EnrolmentRefused("bad_message", "a message must be one JSON object in a line")
    return values


def checked_request(values: Mapping[str, Any], has_certificate: bool) -> str:
    """The kind of a request that keeps the table's rules.

    Raises:
      EnrolmentRefused: it does not.
    """
    kind = values.get("kind")
    rule = REQUESTS.get(kind) if isinstance(kind, str) else None
    if rule is None or not isinstance(kind, str):
        raise EnrolmentRefused("bad_message", f"kind must be one of {', '.join(REQUESTS)}")
    if set(values) != {"kind", *rule.fields}:
        raise EnrolmentRefused(
            "bad_message", f"{kind} must have {', '.join(rule.fields) or 'none'}"
        )
    for name, limit in rule.fields.items():
        if not isinstance(values[name], str) or len(values[name]) > limit:
            raise EnrolmentRefused("bad_message", f"{name} must be text of at most {limit}")
    if rule.needs_certificate and not has_certificate:
        raise EnrolmentRefused("no_certificate", f"{kind} needs the store's present certificate")
    return kind
