"""What comes in to the executor and what goes out, judged by the store's release policy.

In the daemon, without TensorFlow: it follows what is asked by itself and believes the executor no
further than it must, which is how many photographs there are.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from tff_retail.privacy.egress_contract import EgressContract
from tff_retail.privacy.egress_form import check_egress_form
from tff_retail.privacy.example_counts import ExampleCounts
from tff_retail.privacy.executor_conversation import ExecutorConversation, FollowedCall
from tff_retail.privacy.finding import Finding
from tff_retail.privacy.listed_counts import check_listed_counts
from tff_retail.privacy.open_hours import OpenHours
from tff_retail.privacy.protobuf_fields import Buffer, MalformedMessage
from tff_retail.privacy.refused import Refused
from tff_retail.privacy.release_ledger import AskedWork, ReleaseLedger
from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.privacy.released_result import ReleasedResult
from tff_retail.privacy.rule_meaning import known_rule, rule_status
from tff_retail.privacy.shadow_values import ShadowResult
from tff_retail.privacy.shared_report import shared_counts, shared_report
from tff_retail.privacy.value_type import read_work_type, selected
from tff_retail.program.policy_judgement import judge_manifest, judge_work
from tff_retail.program.store_manifest import StoreManifest
from tff_retail.runtime.data_uri import MalformedUri, parse_data_uri
from tff_retail.transport.link_faults import CallFailed
from tff_retail.transport.signed_manifest import SignedManifest

# What each role works on.
_SPLITS = {"train": "train", "evaluate": "validation"}
_ROLES = {split: role for role, split in _SPLITS.items()}
# Larger requests are read, and answers hashed, beside the loop.
_LARGE_BYTES = 256 * 1024
# The executor says when it begins and how it ended.
_REPORTS_OF_A_CALL = 2

Call = Callable[[str, Sequence[Buffer]], contextlib.AbstractAsyncContextManager[memoryview]]
Released = Callable[[ReleasedResult], Awaitable[None]]


@dataclasses.dataclass
class _Expected:
    """What the executor may yet say of a call."""

    round_num: int
    reports_left: int = _REPORTS_OF_A_CALL


class ReleaseGate:
    """The policy at work.

    Args:
      policy: of the store.
      ledger: of what has left.
      say: told of each refusal, and what the executor says of a failure.
      now: the time, aware.
    """

    def __init__(
        self,
        policy: ReleasePolicy,
        ledger: ReleaseLedger,
        *,
        say: Callable[[str], None],
        now: Callable[[], datetime.datetime],
    ) -> None:
        self.policy = policy
        self._ledger, self._say = ledger, say
        self._now = now
        self._hours = OpenHours.parse(policy.hours)
        self._conversation = ExecutorConversation()
        self._turn = asyncio.Lock()
        self._contracts: dict[str, EgressContract] = {}
        self._graphs: dict[str, str] = {}
        self._counts: dict[str, ExampleCounts] = {}
        self._expecting: list[_Expected] = []

    def begin(self) -> None:
        """A new executor: what was made in the one before is gone."""
        self._conversation = ExecutorConversation()

    def admit_manifest(self, signed: SignedManifest, manifest: StoreManifest) -> None:
        """Judges a manifest by itself.

        Raises:
          Refused: the store does not work by it.
        """
        _refuse(judge_manifest(self.policy, manifest))
        self._ledger.take_manifest(signed.run, digest=signed.digest, expires=signed.expires)
        self._ledger.select(_selection(manifest))

    def admit_works(self, manifest: StoreManifest, content: Callable[[str], bytes]) -> None:
        """Judges what the graphs of a manifest would put out, once they are here.

        Args:
          manifest: that names them.
          content: gives what a digest stands for.

        Raises:
          Refused: something of it may not leave.
        """
        contracts = {}
        for role, digest in manifest.works.items():
            computation = content(digest)
            _refuse(judge_work(self.policy, role, computation))
            contracts[role] = EgressContract(self.policy.role(role), read_work_type(computation))
        self._contracts = contracts
        fixed = json.dumps(dataclasses.asdict(manifest), sort_keys=True)
        self._graphs = {role: f"{digest}/{fixed}" for role, digest in manifest.works.items()}
        self._counts = {}

    def note_examples(self, values: Mapping[str, float]) -> None:
        """Takes what the executor says of how many examples there are."""
        for role, split in _SPLITS.items():
            if split in values:
                self._counts[role] = ExampleCounts.read(values, split)

    def shared_examples(self, values: Mapping[str, int]) -> dict[str, int]:
        """How many examples there are, as far as headquarters may know; empty where it may not."""
        if self.policy.reports != "all" or not self._has_enough():
            return {}
        return shared_counts(values)

    def expects(self, values: Mapping[str, float]) -> bool:
        """Whether headquarters asked for the work that the executor reports on; counts the report.

        Of what nobody asked for headquarters hears nothing, lest an executor that was taken over
        say whatever it likes as often as it likes.
        """
        round_num = values.get("round")
        expected = next((one for one in self._expecting if one.round_num == round_num), None)
        if expected is None:
            return False
        expected.reports_left -= 1
        if not expected.reports_left:
            self._expecting.remove(expected)
        return True

    def shared_report(
        self, state: str, code: str, values: Mapping[str, float]
    ) -> tuple[str, str, dict[str, float]] | None:
        """What of an expected report may leave; None for nothing."""
        return shared_report(
            state, code, values, sharing=self.policy.reports, has_enough=self._has_enough()
        )

    async def answer(
        self,
        method: str,
        body: memoryview,
        call: Call,
        *,
        expires: datetime.datetime | None,
        released: Released,
    ) -> list[Buffer]:
        """Has the executor answer a call, and lets the answer out where it may leave.

        Args:
          method, body: of the call.
          call: has the executor answer.
          expires: when the manifest ends by which it works; None where there is none.
          released: puts a result on record before its bytes leave; what it raises keeps them back.

        Raises:
          CallFailed: it failed, or was refused; its reason is a rule's name and nothing else.
        """
        try:
            if expires is not None and self._now() > expires:
                raise Refused("manifest_expired", "the manifest must be signed anew")
            return await self._answer(method, body, call, released)
        except Refused as refusal:
            self._say(f"refused a call: {refusal}")
            raise CallFailed(rule_status(refusal.rule), refusal.rule) from refusal
        except CallFailed as failure:
            rule = known_rule(failure.reason)
            if failure.reason != rule:
                self._say(f"a call failed: {failure.reason}")  # the executor's own words stay here
            raise CallFailed(rule_status(rule), rule) from failure

    async def _answer(
        self, method: str, body: memoryview, call: Call, released: Released
    ) -> list[Buffer]:
        conversation = self._conversation
        async with self._turn:
            followed = await _beside(body, lambda: conversation.follow(method, body))
        if followed.result is None:
            async with call(method, followed.forwarded) as answer, self._turn:
                return conversation.checked(followed, answer)
        return await self._compute(followed, followed.result, call, released)

    async def _compute(
        self, followed: FollowedCall, result: ShadowResult, call: Call, released: Released
    ) -> list[Buffer]:
        asked = self._asked(result)
        contract = self._contracts[asked.role]
        self._require_open(asked.role, contract)
        self._ledger.ask(asked)
        async with self._expecting_reports(asked), call("Compute", followed.forwarded) as answer:
            whole = answer[:]  # a view of its own, which outlives the block until it is sent
        digest = await _beside(whole, lambda: _checked(whole, contract, result))
        self._require_open(asked.role, contract)  # examples were counted anew, time has passed
        most = self._counts[asked.role].examples
        check_listed_counts(whole, contract, result.path, num_examples=most)
        self._ledger.release(asked, answer=digest, num_bytes=whole.nbytes)
        kind = selected(contract.type.gives, result.path)
        await released(
            ReleasedResult(asked=asked, type=kind, num_bytes=whole.nbytes, sha256=digest)
        )
        return [whole]

    def _asked(self, result: ShadowResult) -> AskedWork:
        """What is asked for.

        Raises:
          Refused: it is no approved work on the store's data.
        """
        try:
            name = parse_data_uri(result.data)
        except MalformedUri as error:
            sentence = f"a work must be called with the store's data, found {error}"
            raise Refused("own_data_only", sentence) from error
        role = _ROLES[name.split]
        if role not in self._contracts:
            raise Refused("approved_work_only", f"the manifest has no role {role!r}")
        # All that the manifest fixes, too: else a manifest a second, each with a graph or a number
        # of epochs that fails or not as one bit of a photograph says, would be one question.
        asks = f"{self._graphs[role]}/{name.uri()}/{result.broadcast}"
        question = hashlib.sha256(asks.encode()).hexdigest()
        part = "/".join(str(index) for index in result.path)
        return AskedWork(name.run, name.round_num, role, question, part)

    def _require_open(self, role: str, contract: EgressContract) -> None:
        release = self.policy.role(role)
        if not release.open:
            raise Refused("role_closed", f"the policy does not let out what {role!r} gives")
        local = self._now().astimezone()
        if not self._hours.has(local):
            raise Refused("hours", f"results leave from {self.policy.hours}, it is {local:%H:%M}")
        counts = self._counts.get(role, ExampleCounts())
        counts.require(release, role, by_label=contract.has_per_label)

    @contextlib.asynccontextmanager
    async def _expecting_reports(self, asked: AskedWork) -> AsyncIterator[None]:
        expected = _Expected(asked.round_num)
        self._expecting.append(expected)
        try:
            yield
        finally:
            self._expecting = [one for one in self._expecting if one is not expected]

    def _has_enough(self) -> bool:
        """Whether there are so many examples for each role that their number may be told."""
        try:
            for role in self._contracts:
                counts = self._counts.get(role, ExampleCounts())
                counts.require(self.policy.role(role), role, by_label=False)
        except Refused:
            return False
        return True


def _refuse(findings: Sequence[Finding]) -> None:
    """Refuses for the first of what was found."""
    if findings:
        raise Refused(findings[0].rule, findings[0].sentence)


def _checked(answer: memoryview, contract: EgressContract, result: ShadowResult) -> str:
    """SHA-256 of an answer that is of its form."""
    try:
        check_egress_form(answer, selected(contract.type.gives, result.path))
    except MalformedMessage as error:
        raise Refused("egress_form", f"the executor answered by {error}") from error
    return hashlib.sha256(answer).hexdigest()


def _selection(manifest: StoreManifest) -> str:
    chosen = [sorted(manifest.labels), manifest.validation_fraction]
    return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()


async def _beside(size_of: memoryview, work: Callable[[], Any]) -> Any:
    """Does what takes long for many bytes beside the loop."""
    if size_of.nbytes < _LARGE_BYTES:
        return work()
    return await asyncio.get_running_loop().run_in_executor(None, work)
