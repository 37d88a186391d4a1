"""Whether a store has photographs that can be read, of labels that its chain knows."""

import datetime
import os
import pathlib
from collections.abc import Iterator

from datasets.labels import LABEL_FILE, read_label_file
from datasets.store_listing import StoreListing, list_store
from tff_retail.config import ConfigurationError
from tff_retail.program.diagnosis import OK, PROBLEM, WARNING, Diagnosis
from tff_retail.program.store_manifest import UnusableManifest, read_store_manifest
from tff_retail.transport.signed_manifest import ManifestRefused, verify_manifest
from tff_retail.transport.store_identity import StoreIdentity

_SUBJECT = "photographs"
_REMEDY = "give --data_dir=FOLDER with <label>/*.jpg; see docs/data.md"
_NAMED = 3


def diagnose_photographs(
    data_dir: str, state: pathlib.Path, identity: StoreIdentity | None, now: datetime.datetime
) -> Iterator[Diagnosis]:
    """Looks at the names of photographs, not into them.

    Args:
      data_dir: of the store.
      state: its state directory, for the manifest that it worked by last.
      identity: by which that manifest is checked; None where the store has not joined.
      now: aware.
    """
    folder = pathlib.Path(data_dir).expanduser()
    if not folder.is_dir():
        yield Diagnosis(_SUBJECT, PROBLEM, f"{data_dir!r} is no folder", _REMEDY)
        return
    try:
        listing = list_store(folder, "store")
    except ConfigurationError as error:
        yield Diagnosis(_SUBJECT, PROBLEM, str(error), _REMEDY)
        return
    yield _readable(listing)
    known, source = _known_labels(folder, state, identity, now)
    if known and listing.photographs:
        yield _labels(listing, known, source)


def _readable(listing: StoreListing) -> Diagnosis:
    paths = [each.path for each in listing.photographs]
    num_labels = len({each.label for each in listing.photographs})
    found = f"{len(paths)} photographs, labels: {num_labels}, in {listing.folder}"
    if not paths:
        return Diagnosis(_SUBJECT, PROBLEM, found, _REMEDY)
    if shut := [path for path in paths if not os.access(listing.folder / path, os.R_OK)]:
        found += f"; {len(shut)} can't be read by this user ({', '.join(shut[:_NAMED])})"
        return Diagnosis(_SUBJECT, PROBLEM, found, "let this user read them: chmod, chown")
    if listing.skipped:
        first = listing.skipped[0]
        found += f"; {len(listing.skipped)} files are left out ({first.path}: {first.reason})"
        return Diagnosis(_SUBJECT, WARNING, found, "see docs/data.md for what is read")
    return Diagnosis(_SUBJECT, OK, found)


def _labels(listing: StoreListing, known: frozenset[str], source: str) -> Diagnosis:
    left_out = [each.label for each in listing.photographs if each.label not in known]
    if not left_out:
        return Diagnosis("labels", OK, f"all are among the {len(known)} of {source}")
    others = sorted(set(left_out))
    named = ", ".join(others[:_NAMED]) + (", …" if len(others) > _NAMED else "")
    found = (
        f"{len(left_out)} of {len(listing.photographs)} photographs have labels that {source} "
        f"lacks: {named}"
    )
    state = PROBLEM if len(left_out) == len(listing.photographs) else WARNING
    return Diagnosis("labels", state, found, "name the folders as headquarters spells products")


def _known_labels(
    folder: pathlib.Path,
    state: pathlib.Path,
    identity: StoreIdentity | None,
    now: datetime.datetime,
) -> tuple[frozenset[str], str]:
    """The chain's labels, as the manifest of the last run has them, or a file."""
    try:
        if identity is not None:
            signed = verify_manifest(
                (state / "manifest.signed").read_bytes(),
                public_key=identity.manifest_key,
                chain_id=identity.chain_id,
                now=now,
            )
            labels = read_store_manifest(signed.manifest).labels
            return frozenset(labels), f"the run {signed.run}"
    except (OSError, ManifestRefused, UnusableManifest):
        pass  # none yet, or it has ended: the next run's counts
    try:
        return frozenset(read_label_file(folder / LABEL_FILE) or ()), LABEL_FILE
    except ConfigurationError:
        return frozenset(), ""
