"""How a certificate is: for how long it holds, and whether its chain leads to the root."""

import datetime
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from tff_retail.program.diagnosis import OK, PROBLEM, WARNING, Diagnosis

_DAY = datetime.timedelta(days=1)


def diagnose_certificate(
    subject: str,
    chain: Sequence[x509.Certificate],
    *,
    root: x509.Certificate,
    now: datetime.datetime,
    margin: datetime.timedelta,
    remedy: str,
) -> Diagnosis:
    """Looks at a certificate and those above it.

    Args:
      subject: of the diagnosis.
      chain: the certificate itself, then who signed it, and so on, without the root.
      root: of the chain of stores.
      now: aware.
      margin: before its end, within which a warning is due.
      remedy: what makes a new one.
    """
    flaw = _flaw([*chain, root])
    if flaw:
        return Diagnosis(subject, PROBLEM, flaw, remedy)
    begin = max(each.not_valid_before_utc for each in chain)
    end = min(each.not_valid_after_utc for each in (*chain, root))
    if now < begin:
        found = (
            f"begins on {begin:%Y-%m-%d %H:%M} UTC, and this machine's clock says {now:%Y-%m-%d}"
        )
        return Diagnosis(subject, PROBLEM, found, "set the clock")
    left = f"{(end - now) // _DAY} days"
    if now > end:
        return Diagnosis(subject, PROBLEM, f"ended on {end:%Y-%m-%d %H:%M} UTC", remedy)
    if end - now < margin:
        return Diagnosis(subject, WARNING, f"ends in {left}, on {end:%Y-%m-%d}", remedy)
    return Diagnosis(subject, OK, f"holds for {left}, until {end:%Y-%m-%d}; its chain is whole")


def _flaw(chain: Sequence[x509.Certificate]) -> str:
    for below, above in zip(chain, chain[1:], strict=False):
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            name = below.subject.rfc4514_string()
            return f"{name} was not signed by {above.subject.rfc4514_string()}"
    return ""
