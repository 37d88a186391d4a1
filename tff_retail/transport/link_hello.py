"""What a store says of itself first."""

import dataclasses
from typing import Any

from tff_retail.transport.link_frames import VERSIONS, Frame, Kind


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hello:
    """A store's first words.

    Attributes:
      software: version of tff_retail.
      tensorflow: version that the executor child has; '' where it is not known yet.
      python: version.
      versions: of the link that the store speaks.
    """

    software: str
    tensorflow: str
    python: str
    versions: tuple[int, ...] = VERSIONS

    def to_frame(self) -> Frame:
        """The `hello` frame."""
        return Frame(
            Kind.HELLO,
            {
                "versions": list(self.versions),
                "software": self.software,
                "tensorflow": self.tensorflow,
                "python": self.python,
            },
        )

    @classmethod
    def from_header(cls, header: dict[str, Any]) -> "Hello":
        """What a checked `hello` frame says."""
        return cls(**{**header, "versions": tuple(header["versions"])})


def highest_shared_version(ours: tuple[int, ...], theirs: tuple[int, ...]) -> int | None:
    """The version of the link to speak; None if the ends share none."""
    return max(set(ours) & set(theirs), default=None)


def no_shared_version(ours: tuple[int, ...], theirs: tuple[int, ...]) -> str:
    """One sentence that names the versions of both sides."""
    return (
        f"Headquarters speaks version {_listed(ours)} of the store link and this store "
        f"{_listed(theirs)}; install the same release of tff_retail on both"
    )


def _listed(versions: tuple[int, ...]) -> str:
    return " or ".join(str(version) for version in sorted(versions)[:8]) or "none"
