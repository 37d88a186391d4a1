"""Takes finished models that headquarters delivers, where the chain's key has signed them."""

from collections.abc import Callable

from tff_retail.program.installed_models import InstalledModels
from tff_retail.program.model_archive import MalformedArchive
from tff_retail.program.store_record import StoreRecord
from tff_retail.program.trust import Trust
from tff_retail.transport.signed_model import ModelRefused, verify_model


class ModelIntake:
    """Installs models.

    Args:
      trust: whose signature counts.
      models: that were delivered before.
      record: of what concerns the store's owner.
      say: told what was installed, or why not.
    """

    def __init__(
        self,
        trust: Trust,
        models: InstalledModels,
        *,
        record: StoreRecord,
        say: Callable[[str], None],
    ) -> None:
        self._trust, self._models, self._record, self._say = trust, models, record, say

    def take(self, name: str, digest: str, signature: str, body: memoryview) -> None:
        """Installs a model, unless it is the present one or not signed."""
        trust = self._trust
        try:
            verify_model(
                digest, signature, name=name, public_key=trust.manifest_key, chain_id=trust.chain_id
            )
            if self._models.install(digest, body):
                self._say(f"installed the model {name} ({digest[:16]})")
                self._record.model_installed(name, digest)
        except (ModelRefused, MalformedArchive, OSError) as error:
            self._say(f"the model {name} was not installed: {error}")
            self._record.model_refused(name, digest, error)
