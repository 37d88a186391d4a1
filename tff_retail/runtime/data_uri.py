"""How a store's data is named: never sent, only said.

    store://train?run=first&round=3&seed=7

The host is the split; the query says which piece of work it is for, since a store's randomness
derives from (seed, round, store). Without a run a result is not kept for a second asking.
"""

import dataclasses
import re
import urllib.parse

_SCHEME = "store"
_WORK_SCHEME = "work"
SPLITS = ("train", "validation")
# Long enough for the name of a run, in whatever letters, and two numbers.
_MAX_CHARACTERS = 4096
_MAX_NUMBER = 2**31
_DIGEST = re.compile("[0-9a-f]{64}")
_NUMBER = re.compile("[0-9]{1,10}")


class MalformedUri(ValueError):
    """A URI that names nothing a store has."""


@dataclasses.dataclass(frozen=True)
class DataName:
    """The examples of a store for one piece of work.

    Attributes:
      split: `train` or `validation`.
      run: the run that asks; '' where a result need not be kept.
      round_num: from 1; 0 where none is said.
      seed: of the run.
    """

    split: str
    run: str = ""
    round_num: int = 0
    seed: int = 0

    def uri(self) -> str:
        """What `parse_data_uri` reads."""
        query = urllib.parse.urlencode(
            {"run": self.run, "round": self.round_num, "seed": self.seed}
        )
        return f"{_SCHEME}://{self.split}?{query}"


def work_uri(digest: str) -> str:
    """The name of an approved computation that the store has already."""
    return f"{_WORK_SCHEME}://{digest}"


def parse_work_uri(uri: str) -> str | None:
    """The digest in a `work://` URI; None where it is another kind of URI.

    Raises:
      MalformedUri: it is one, but names no digest.
    """
    scheme, _, digest = uri.partition("://")
    if scheme != _WORK_SCHEME:
        return None
    if not _DIGEST.fullmatch(digest):
        raise MalformedUri("work:// must be followed by a SHA-256 in hex")
    return digest


def parse_data_uri(uri: str) -> DataName:
    """What a `store://` URI names.

    Raises:
      MalformedUri: it names nothing a store has.
    """
    if len(uri) > _MAX_CHARACTERS:
        raise MalformedUri(f"a URI must have {_MAX_CHARACTERS} characters at most")
    try:
        parts = urllib.parse.urlsplit(uri)
        query = urllib.parse.parse_qs(
            parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), max_num_fields=3
        )
    except ValueError as error:
        raise MalformedUri(
            "a URI must be of the form store://SPLIT?run=…&round=…&seed=…"
        ) from error
    if parts.scheme != _SCHEME or parts.netloc not in SPLITS or parts.path or parts.fragment:
        raise MalformedUri("data must be named store://train or store://validation")
    if not query.keys() <= {"run", "round", "seed"} or any(len(v) > 1 for v in query.values()):
        raise MalformedUri("a URI's query may say run, round and seed, each once")
    return DataName(
        split=parts.netloc,
        run=query.get("run", [""])[0],
        round_num=_number(query.get("round", ["0"])[0]),
        seed=_number(query.get("seed", ["0"])[0]),
    )


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) >= _MAX_NUMBER:
        raise MalformedUri(f"a URI's numbers must be in [0, 2^31), found {text[:20]!r}")
    return int(text)
