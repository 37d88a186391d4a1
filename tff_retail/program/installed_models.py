"""The models that headquarters delivered to a store, of which one is in use.

<folder>/versions/<digest>/     model folders, complete
<folder>/current -> versions/…  what `recognize` uses
<folder>/previous -> versions/… what was in use before
<folder>/rolled_back            digest of the model that the store's owner did not want
"""

import hashlib
import os
import pathlib
import shutil

from tff_retail.config import ConfigurationError
from tff_retail.program.folder_replacement import replace_folder
from tff_retail.program.model_archive import unpack_model
from tff_retail.transport.private_file import write_private_file
from tff_retail.transport.signed_model import ModelRefused


class InstalledModels:
    """Models of a store.

    Args:
      folder: belongs to this object; made when a first model comes.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    @property
    def current(self) -> str | None:
        """The digest of the model in use."""
        return self._digest("current")

    def install(self, digest: str, content: bytes | memoryview) -> bool:
        """Puts a model into use; whether it was not in use before.

        A model that was rolled back is not put into use again.

        Args:
          digest: SHA-256 of the archive, whose signature was found good.
          content: the archive, of `pack_model`.

        Raises:
          ModelRefused: it has another digest.
          MalformedArchive: it is no model's.
          OSError: the disk can't take it.
        """
        if hashlib.sha256(content).hexdigest() != digest:
            raise ModelRefused("a model must have the digest that was signed, has another")
        if digest in (self.current, self._rolled_back()):
            return False
        version = self._folder / "versions" / digest
        replace_folder(version, lambda partial: unpack_model(content, partial))
        present = self.current
        if present is not None:
            self._point("previous", present)
        self._point("current", digest)
        self._drop_unused()
        return True

    def roll_back(self) -> str:
        """Puts the model into use that was in use before; its digest.

        Raises:
          ConfigurationError: there is none.
        """
        present, previous = self.current, self._digest("previous")
        if present is None or previous is None or present == previous:
            raise ConfigurationError(
                f"{self._folder} must hold an earlier model to roll back to, found none; models "
                "come from headquarters"
            )
        write_private_file(self._folder / "rolled_back", present.encode())
        self._point("current", previous)
        return previous

    def _rolled_back(self) -> str | None:
        try:
            return (self._folder / "rolled_back").read_text(encoding="ascii")
        except FileNotFoundError:
            return None

    def _digest(self, name: str) -> str | None:
        try:
            return pathlib.Path(os.readlink(self._folder / name)).name
        except FileNotFoundError:
            return None

    def _point(self, name: str, digest: str) -> None:
        temporary = self._folder / f".{name}.new"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(pathlib.Path("versions") / digest)
        os.replace(temporary, self._folder / name)

    def _drop_unused(self) -> None:
        used = {self.current, self._digest("previous")}
        for version in (self._folder / "versions").iterdir():
            if version.name not in used:
                shutil.rmtree(version, ignore_errors=True)
