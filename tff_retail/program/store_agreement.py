"""The manifest that a store works by, checked and admitted by its policy."""

import dataclasses
import datetime
from collections.abc import Mapping

from tff_retail.privacy.refused import Refused
from tff_retail.program.release_gate import ReleaseGate
from tff_retail.program.store_manifest import (
    StoreManifest,
    UnusableManifest,
    read_store_manifest,
)
from tff_retail.program.trust import Trust
from tff_retail.transport.signed_manifest import (
    ManifestRefused,
    SignedManifest,
    verify_manifest,
)


@dataclasses.dataclass
class StoreAgreement:
    """The manifest that the store works by, or is about to.

    Attributes:
      signed_bytes: as headquarters sent it.
      signed: what is in it.
      manifest: what the store acts on.
      examples: how many there are by split, once the executor is ready to work by it.
      is_loading: whether the executor is about to be.
    """

    signed_bytes: bytes
    signed: SignedManifest
    manifest: StoreManifest
    examples: Mapping[str, int] | None = None
    is_loading: bool = False

    @property
    def contents(self) -> tuple[str, ...]:
        """Digests of what it needs."""
        return self.manifest.contents

    @classmethod
    def check(
        cls, signed: bytes, *, run: str, trust: Trust, gate: ReleaseGate, now: datetime.datetime
    ) -> "StoreAgreement":
        """The agreement on a manifest, whose contents may still be missing.

        Args:
          signed: what headquarters sent.
          run: that it says to be running; '' where it says none.
          trust: whose signature counts.
          gate: of the store's policy.
          now: aware.

        Raises:
          Refused: the store does not work by it.
        """
        is_unsigned_taken = gate.policy.trust == "allow_list_only"
        try:
            verified = verify_manifest(
                signed,
                public_key=None if is_unsigned_taken else trust.manifest_key,
                chain_id=trust.chain_id,
                now=now,
                run=run,
            )
            manifest = read_store_manifest(verified.manifest)
            manifest.config()  # its rules
        except ManifestRefused as refusal:
            raise Refused(refusal.code, refusal.sentence) from refusal
        except UnusableManifest as error:
            raise Refused("manifest", str(error)) from error
        gate.admit_manifest(verified, manifest)
        return cls(signed, verified, manifest)
