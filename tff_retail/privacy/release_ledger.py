"""What a store has let out today and which manifests it has taken: kept across restarts.

A day is UTC's, and never one before the latest that was seen: a clock that is set back opens no
budget again.
"""

import dataclasses
import datetime
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from tff_retail.config import ConfigurationError
from tff_retail.privacy.refused import Refused
from tff_retail.privacy.release_policy import ReleasePolicy

_FORMAT = 1
# Of digests that are kept: 128 bits name no two questions alike.
_DIGITS = 32
# A manifest that has ended need not be remembered; the slack is that of `verify_manifest` and more.
_FORGET_AFTER = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class AskedWork:
    """A piece of work that headquarters asks for.

    Attributes:
      run: that asks; '' where none is named.
      round_num: of the run.
      role: such as `train`.
      question: SHA-256 of all that headquarters chooses of it: graph, data, seed and broadcast.
      part: which part of the result is meant; '' for all of it.
    """

    run: str
    round_num: int
    role: str
    question: str
    part: str = ""


class ReleaseLedger:
    """Budgets of a policy, and what is left of them.

    Args:
      path: of the file that keeps it.
      policy: the budgets.
      save: replaces the file durably; raises OSError where it can't.
      now: the time, aware.

    Raises:
      ConfigurationError: the file is there and can't be read.
    """

    def __init__(
        self,
        path: pathlib.Path,
        policy: ReleasePolicy,
        *,
        save: Callable[[pathlib.Path, bytes], None],
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._path, self._policy, self._save, self._now = path, policy, save, now
        self._kept = _read(path)

    def ask(self, asked: AskedWork) -> None:
        """Counts a question before its answer is computed.

        Raises:
          Refused: it is one too many, or can't be written down.
        """
        self._roll_over()
        rounds, most = self._kept["rounds"], self._policy.max_rounds_per_day
        key = _round_key(asked)
        if key not in rounds and len(rounds) >= most:
            raise Refused("rounds_per_day", f"{most} rounds were answered today; see the policy")
        role = rounds.setdefault(key, {"bytes": 0, "roles": {}})["roles"].setdefault(
            asked.role, {"questions": [], "answers": {}}
        )
        questions, most = role["questions"], self._policy.max_questions_per_round
        question = asked.question[:_DIGITS]
        if question in questions:
            return
        if len(questions) >= most:
            raise Refused(
                "questions_per_round",
                f"round {asked.round_num} was asked {most} times today with other weights or "
                f"another seed, for {asked.role!r}; see the policy",
            )
        questions.append(question)
        self._write()

    def release(self, asked: AskedWork, *, answer: str, num_bytes: int) -> None:
        """Counts an answer before its bytes leave; the same answer again counts once.

        Args:
          asked: counted by `ask` before.
          answer: SHA-256 of the bytes.
          num_bytes: that would leave.

        Raises:
          Refused: they may not, or can't be written down.
        """
        one_round = self._kept["rounds"].get(_round_key(asked))
        if one_round is None or asked.role not in one_round["roles"]:
            self.ask(asked)  # the day has changed meanwhile
            one_round = self._kept["rounds"][_round_key(asked)]
        answers = one_round["roles"][asked.role]["answers"].setdefault(asked.part, [])
        if answer[:_DIGITS] in answers:
            return
        if len(answers) >= (most := self._policy.max_questions_per_round):
            raise Refused(
                "answers_per_round",
                f"round {asked.round_num} was answered today in {most} ways, for {asked.role!r}; "
                "see the policy",
            )
        if one_round["bytes"] + num_bytes > (most := self._policy.max_bytes_per_round):
            raise Refused(
                "bytes_per_round",
                f"round {asked.round_num} may take {most} bytes, {one_round['bytes']} have left "
                f"and this answer has {num_bytes}; see the policy",
            )
        one_round["bytes"] += num_bytes
        answers.append(answer[:_DIGITS])
        self._write()

    def select(self, selection: str) -> None:
        """Counts a choice among the store's photographs, by its SHA-256.

        Raises:
          Refused: it is one too many, or can't be written down.
        """
        self._roll_over()
        selections, most = self._kept["selections"], self._policy.max_selections_per_day
        if selection[:_DIGITS] in selections:
            return
        if len(selections) >= most:
            raise Refused(
                "selections_per_day",
                f"manifests chose {most} times today among the photographs, by labels or by "
                "validation fraction; see the policy",
            )
        selections.append(selection[:_DIGITS])
        self._write()

    def take_manifest(self, run: str, *, digest: str, expires: datetime.datetime) -> None:
        """Notes the manifest that the store takes; of a run it never goes back to an earlier end.

        Raises:
          Refused: it is an older one of its run, or it can't be written down.
        """
        self._roll_over()
        manifests, key = self._kept["manifests"], _digest(run)
        end = expires.astimezone(datetime.UTC).isoformat(timespec="seconds")
        newest = manifests.get(key)
        if newest == [end, digest]:
            return
        if newest is not None and datetime.datetime.fromisoformat(newest[0]) > expires:
            raise Refused(
                "replayed",
                f"a manifest of the run {run!r:.100} was taken that ends at {newest[0]}, this one "
                f"ends at {end}; have it signed with a later end",
            )
        manifests[key] = [end, digest]
        self._write()

    def _roll_over(self) -> None:
        """Begins a new day where there is one, and forgets manifests that have ended."""
        kept, latest = self._kept, self._latest()
        day = latest.date().isoformat()
        if kept["day"] == day:
            return
        kept.update(day=day, rounds={}, selections=[])
        kept["manifests"] = {
            run: newest
            for run, newest in kept["manifests"].items()
            if datetime.datetime.fromisoformat(newest[0]) + _FORGET_AFTER > latest
        }

    def _latest(self) -> datetime.datetime:
        now = self._now().astimezone(datetime.UTC)
        seen = self._kept["latest"]
        latest = max(now, datetime.datetime.fromisoformat(seen)) if seen else now
        self._kept["latest"] = latest.isoformat(timespec="seconds")
        return latest

    def _write(self) -> None:
        try:
            self._save(self._path, json.dumps(self._kept).encode())
        except OSError as error:
            self._kept = _read(self._path)  # what is not on the disk was not allowed
            raise Refused(
                "ledger_unwritable",
                f"{self._path} must be writable, found {error.strerror}; nothing leaves until it "
                "is",
            ) from error


def _round_key(asked: AskedWork) -> str:
    return _digest(f"{asked.round_num}/{asked.run}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def _read(path: pathlib.Path) -> dict[str, Any]:
    empty = {
        "format": _FORMAT,
        "day": "",
        "latest": "",
        "rounds": {},
        "selections": [],
        "manifests": {},
    }
    try:
        kept = json.loads(path.read_bytes())
        if (
            not isinstance(kept, Mapping)
            or kept.get("format") != _FORMAT
            or set(kept) != set(empty)
        ):
            raise ValueError("another form")
        if kept["latest"]:
            datetime.datetime.fromisoformat(kept["latest"])
    except FileNotFoundError:
        return empty
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} must be the list of what left this store today, found it unreadable "
            f"({error}); keep it under another name, and a new one is begun"
        ) from error
    return dict(kept)
