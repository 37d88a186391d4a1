"""Which of the things that happen to a store are entries of its audit log, and what they say.

No entry says a word of headquarters' or of the executor's own but names of runs and models, which a
key of the chain signed: rules are named by this program.
"""

import json
from collections.abc import Mapping
from typing import Any

from tff_retail.privacy.audit_unwritable import AuditUnwritable
from tff_retail.privacy.refused import Refused
from tff_retail.privacy.released_result import ReleasedResult
from tff_retail.program.model_archive import MalformedArchive
from tff_retail.program.store_audit import StoreAudit
from tff_retail.program.store_manifest import StoreManifest
from tff_retail.program.told_heads import ToldHeads
from tff_retail.transport.link_faults import CallFailed
from tff_retail.transport.signed_manifest import SignedManifest
from tff_retail.transport.signed_model import ModelRefused

# Who asks, where it is no TFF client.
HEADQUARTERS = "headquarters"
# gRPC status codes of what nobody forbade: given up, or the executor is not there.
_NO_REFUSALS = (1, 14)
# Results that headquarters may ask for again, which is what it does when a link was lost.
_MAX_ON_RECORD = 256
# A run is a folder's name at headquarters, and the link takes so many characters.
_MAX_NAME = 200


class StoreRecord:
    """Writes the entries; used on the daemon's event loop.

    Args:
      audit: the log.
      heads: of it, which headquarters countersigns.
    """

    def __init__(self, audit: StoreAudit, heads: ToldHeads) -> None:
        self._audit, self.heads = audit, heads
        self._on_record: dict[str, None] = {}

    async def close(self) -> None:
        """Writes that the daemon stops."""
        await self._audit.close()

    def connected(self, run: str) -> None:
        """Headquarters welcomed the store to a run, or to none ('')."""
        self._audit.repeated("connected", "", who=HEADQUARTERS, run=_shortened(run))

    def reported(self, state: str, code: str, values: Mapping[str, float]) -> None:
        """A report has left."""
        self._audit.reported({"state": state, "code": code, "values": dict(values)})

    def was_ready(self, manifest: str, examples: Mapping[str, int]) -> None:
        """Headquarters was told how many examples there are."""
        self._audit.reported({"manifest": manifest, "examples": dict(examples)})

    def manifest_taken(self, signed: SignedManifest, manifest: StoreManifest) -> None:
        """The store works by a manifest from now on."""
        self._audit.repeated(
            "manifest",
            signed.digest,
            who=HEADQUARTERS,
            digest=signed.digest,
            run=_shortened(signed.run),
            expires=signed.expires.isoformat(timespec="seconds"),
            graphs=dict(manifest.works),
        )

    def manifest_declined(self, digest: str, rule: str) -> None:
        """The store does not work by a manifest."""
        self._audit.repeated("manifest", rule, who=HEADQUARTERS, digest=digest, declined=rule)

    def model_installed(self, name: str, digest: str) -> None:
        """A finished model is in use from now on."""
        self._audit.repeated("model", digest, who=HEADQUARTERS, name=name, digest=digest)

    def model_refused(self, name: str, digest: str, error: Exception) -> None:
        """A model was not installed."""
        why = _MODEL_REFUSALS.get(type(error), "folder")
        fields = {"who": HEADQUARTERS, "name": name, "digest": digest, "refused": why}
        self._audit.repeated("model", why, **fields)

    def call_failed(self, who: str, method: str, failure: CallFailed) -> None:
        """A call failed; where a rule forbade it, that is an entry."""
        if failure.code not in _NO_REFUSALS:
            key = f"{who} {method} {failure.reason}"
            self._audit.repeated("refused", key, who=who, method=method, rule=failure.reason)

    async def released(
        self, who: str, result: ReleasedResult, signed: SignedManifest, manifest: StoreManifest
    ) -> None:
        """A result is about to leave; the very same once more is counted.

        Raises:
          Refused: that is not on the disk, so it may not.
        """
        fields = {
            "who": who,
            "manifest": signed.digest,
            "graph": manifest.works[result.asked.role],
            **result.to_json(),
        }
        key = json.dumps(fields, sort_keys=True)
        if key in self._on_record and not self._audit.is_failing:
            self._audit.repeated("released", key, **fields)
            return
        try:
            await self._audit.write("released", **fields)
        except AuditUnwritable as error:
            raise Refused("audit_unwritable", str(error)) from error
        self._on_record[key] = None
        while len(self._on_record) > _MAX_ON_RECORD:
            del self._on_record[next(iter(self._on_record))]


def _shortened(name: str) -> str:
    """A run's name; where the policy takes unsigned manifests, it is whatever somebody sends."""
    return name[:_MAX_NAME]


_MODEL_REFUSALS: Mapping[type[Any], str] = {ModelRefused: "signature", MalformedArchive: "archive"}
