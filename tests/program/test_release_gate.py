"""The policy at work between headquarters and an executor that may say anything."""

import asyncio
import contextlib
import dataclasses
import datetime
import json
import struct as packing
from typing import Any

import pytest

from tests.privacy.executor_messages import (
    FLOAT32,
    INT64,
    answer,
    array,
    data,
    message,
    reference,
    scalar,
    struct,
    tensor,
    value_struct,
    work,
)
from tff_retail.privacy.refused import Refused
from tff_retail.privacy.release_ledger import ReleaseLedger
from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.privacy.role_release import RoleRelease
from tff_retail.program.release_gate import ReleaseGate
from tff_retail.program.store_manifest import read_store_manifest
from tff_retail.transport.link_faults import CallFailed
from tff_retail.transport.signed_manifest import SignedManifest

NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)
TRAIN, EVALUATE = "a" * 64, "b" * 64
WEIGHTS = tensor(FLOAT32, 2)
COUNT = ("num_examples", tensor(INT64))
GRAPHS = {
    TRAIN: work(struct(("update", WEIGHTS), COUNT), WEIGHTS),
    EVALUATE: work(struct(COUNT), WEIGHTS),
}
EXAMPLES = {
    "train": 13,
    "train_labels": 3,
    "train_fewest": 4,
    "validation": 11,
    "validation_labels": 3,
    "validation_fewest": 2,
}
NUMBERS = packing.pack("<2f", 0.5, -1.0)


def _manifest(**changes):
    train = {"batch_size": 8, "epochs": 1, "augmentation": "none", "graphs": {"work": TRAIN}}
    values = {
        "labels": ["a", "b", "c"],
        "image_size": 32,
        "validation_fraction": 0.2,
        "roles": {"train": train, "evaluate": {"graphs": {"work": EVALUATE}}},
    }
    return read_store_manifest({**values, **changes})


def _result(content: bytes = NUMBERS) -> bytes:
    update = array(FLOAT32, (2,), content)
    return answer(value_struct(("update", update), ("num_examples", scalar(INT64, b"\x0d"))))


class _Executor:
    """Honest unless it is told what to answer."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.failure: Exception | None = None
        self.on_compute = lambda: None
        self.num_made = 0
        self.called: list[tuple[str, bytes]] = []

    @contextlib.asynccontextmanager
    async def call(self, method, body):
        self.called.append((method, b"".join(body)))
        if self.failure is not None:
            raise self.failure
        if method == "Compute":
            self.on_compute()
        yield memoryview(self.answers.get(method) or self._honest(method))

    def _honest(self, method: str) -> bytes:
        if method == "GetExecutor":
            return message(1, message(1, b"the child's own name"))
        if method == "Compute":
            return _result()
        if not method.startswith("Create"):
            return b""
        self.num_made += 1
        return message(1, reference(self.num_made))


class _Scene:
    """A gate, an executor, and headquarters."""

    def __init__(self, folder, policy: ReleasePolicy) -> None:
        self.now = NOW
        self.said: list[str] = []
        self.records: list[Any] = []
        self.folder, self.policy = folder, policy
        self.executor = _Executor()
        self.open()

    def reports(self, seen: list[Any], *said: tuple[str, str], **values: float) -> None:
        """Has the executor say something while it computes; `seen` gets what leaves of it."""

        def tell() -> None:
            for state, code in said:
                is_expected = self.gate.expects(values)
                seen.append(is_expected and self.gate.shared_report(state, code, values))

        self.executor.on_compute = tell

    def open(self) -> None:
        """The daemon is started, anew."""

        def save(path, content):
            path.write_bytes(content)

        ledger = ReleaseLedger(
            self.folder / "released.json", self.policy, save=save, now=lambda: self.now
        )
        self.gate = ReleaseGate(self.policy, ledger, say=self.said.append, now=lambda: self.now)
        self.executor.num_made = 0
        self.gate.admit_works(_manifest(), GRAPHS.__getitem__)
        self.gate.note_examples(EXAMPLES)
        self.name = b""

    async def call(self, method: str, body: bytes) -> bytes:
        async def released(result) -> None:
            self.records.append(result)

        pieces = await self.gate.answer(
            method, memoryview(body), self.executor.call, expires=None, released=released
        )
        return b"".join(pieces)

    async def begin(self) -> None:
        self.name = (await self.call("GetExecutor", b""))[4:]

    async def make(self, method: str, field: int, *fields: bytes) -> bytes:
        """The reference of a new value."""
        body = b"".join(fields) + message(field, message(1, self.name))
        return (await self.call(method, body))[2:]

    async def asked(self, uri: str, weights: bytes = b"\0" * 8) -> bytes:
        """The reference of a call that can be computed."""
        if not self.name:
            await self.begin()
        named = await self.make("CreateValue", 2, message(1, data(uri)))
        sent = array(FLOAT32, (2,), weights)
        broadcast = await self.make("CreateValue", 2, message(1, sent))
        argument = await self.make(
            "CreateStruct", 3, *(message(1, message(2, one)) for one in (named, broadcast))
        )
        graph = await self.make("CreateValue", 2, message(1, data(f"work://{TRAIN}")))
        return await self.make("CreateCall", 3, message(1, graph), message(2, argument))

    async def compute(self, reference_: bytes) -> bytes:
        body = message(1, reference_) + message(2, message(1, self.name))
        return await self.call("Compute", body)

    async def ask(self, round_num: int = 1, split: str = "train", **named) -> bytes:
        return await self.compute(
            await self.asked(f"store://{split}?run=r&round={round_num}&seed=7", **named)
        )

    async def refusal(self, coroutine) -> str:
        with pytest.raises(CallFailed) as failure:
            await coroutine
        assert failure.value.code == 7
        return failure.value.reason


def _play(policy: ReleasePolicy | None = None, **settings):
    def decorate(scene_of):
        def test(tmp_path):
            used = policy or ReleasePolicy(**settings)
            asyncio.run(scene_of(_Scene(tmp_path, used)))

        test.__name__, test.__doc__ = scene_of.__name__, scene_of.__doc__
        return test

    return decorate


@_play()
async def test_another_manifest_of_the_same_graph_is_another_question(scene):
    train = {"batch_size": 8, "augmentation": "none", "graphs": {"work": TRAIN}}
    for epochs in (1, 2):
        roles = {"train": {**train, "epochs": epochs}, "evaluate": {"graphs": {"work": EVALUATE}}}
        scene.gate.admit_works(_manifest(roles=roles), GRAPHS.__getitem__)
        scene.gate.note_examples(EXAMPLES)
        await scene.ask()
    roles["train"]["epochs"] = 3
    scene.gate.admit_works(_manifest(roles=roles), GRAPHS.__getitem__)
    scene.gate.note_examples(EXAMPLES)
    assert await scene.refusal(scene.ask()) == "questions_per_round"


@_play()
async def test_a_result_passes_and_is_put_on_record(scene):
    assert await scene.ask() == _result()
    (record,) = scene.records
    assert (record.asked.run, record.asked.round_num, record.asked.role) == ("r", 1, "train")
    assert record.num_bytes == len(_result())


@_play()
async def test_the_executors_names_stay_inside(scene):
    await scene.begin()
    assert len(scene.name) == 32 and b"child" not in scene.name
    await scene.asked("store://train")
    assert all(b"the child's own name" in body for method, body in scene.executor.called[1:])


# An executor that was taken over.


@pytest.mark.parametrize(
    ("method", "lie"),
    [
        ("GetExecutor", message(1, message(1, b"photograph" * 20))),
        ("GetExecutor", message(1, message(1, b"x")) + message(2, b"photograph")),
        ("CreateValue", message(1, message(1, b"photograph"))),
        ("CreateValue", message(1, message(1, b"7"))),
        ("CreateValue", message(1, message(1, b"01"))),
        ("CreateValue", message(1, message(1, b"1") + message(2, b"photograph"))),
        ("CreateValue", message(1, message(1, b"1")) + b"photograph"),
        ("CreateValue", b"\x0a\x83\x00\x0a\x01\x31"),
        ("Dispose", b"photograph"),
        ("DisposeExecutor", message(1, b"photograph")),
    ],
)
def test_small_answers_carry_nothing(tmp_path, method, lie):
    async def run():
        scene = _Scene(tmp_path, ReleasePolicy())
        if method != "GetExecutor":
            await scene.begin()
        scene.executor.answers[method] = lie
        one = {
            "GetExecutor": lambda: scene.call("GetExecutor", b""),
            "CreateValue": lambda: scene.make("CreateValue", 2, message(1, data("store://train"))),
            "Dispose": lambda: scene.make("Dispose", 2),
            "DisposeExecutor": lambda: scene.make("DisposeExecutor", 1),
        }[method]
        try:
            given = await one()
        except CallFailed as failure:
            assert failure.reason == "call_form"
        else:  # it was written anew
            assert given == message(1, b"1")

    asyncio.run(run())


@_play()
async def test_a_reference_is_given_once(scene):
    await scene.asked("store://train")
    scene.executor.answers["CreateValue"] = message(1, reference(2))
    again = scene.make("CreateValue", 2, message(1, data("store://train")))
    assert await scene.refusal(again) == "call_form"


@_play()
async def test_an_answer_of_another_form_stays(scene):
    for lie in (
        b"photograph",
        _result() + message(2, b"photograph"),
        _result(NUMBERS + b"pixels"),
        answer(message(2, b"photograph")),
        answer(array(FLOAT32, (2,), NUMBERS)),
    ):
        scene.executor.answers["Compute"] = lie
        assert await scene.refusal(scene.ask()) == "egress_form"
    assert scene.records == []


@_play()
async def test_words_of_a_failure_stay(scene):
    for reason, rule in (
        ("graph_failed: photograph IMG_1.jpg", "graph_failed"),
        ("IMG_1.jpg: what is this?", "unexpected_error"),
        ("out_of_memory", "out_of_memory"),
    ):
        call = await scene.asked("store://train")
        scene.executor.failure = CallFailed(13, reason)
        with pytest.raises(CallFailed) as failure:
            await scene.compute(call)
        assert failure.value.reason == rule
        scene.executor.failure = None


@_play()
async def test_reports_say_what_is_listed_of_what_was_asked(scene):
    values = {**EXAMPLES, "seconds": 0.123456, "round": 3, "photograph": 0.5, "n": 7.0}
    assert not scene.gate.expects(values)
    seen: list[Any] = []
    said = ("worked", "IMG_1.jpg"), ("failed", "IMG_1.jpg"), ("worked", "train")
    scene.reports(seen, *said, **values)
    await scene.ask(round_num=3)
    listed = {"round": 3, "seconds": 0.1, "train": 13, "validation": 11}
    assert seen == [None, ("failed", "unexpected_error", listed), False]
    assert not scene.gate.expects(values)


@_play(reports="health")
async def test_reports_of_health_have_no_numbers(scene):
    seen: list[Any] = []
    scene.reports(seen, ("worked", "train"), **EXAMPLES, seconds=2.0, round=3)
    await scene.ask(round_num=3)
    assert seen == [("worked", "train", {"round": 3})]
    assert scene.gate.shared_examples(EXAMPLES) == {}


@_play(reports="nothing")
async def test_reports_can_be_closed(scene):
    seen: list[Any] = []
    scene.reports(seen, ("worked", "train"), round=3)
    await scene.ask(round_num=3)
    assert seen == [None] and scene.gate.shared_examples(EXAMPLES) == {}


# Minima, hours, budgets.


@_play(train=dataclasses.replace(RoleRelease.of_training(), min_examples=14))
async def test_too_few_examples(scene):
    assert await scene.refusal(scene.ask()) == "min_examples"
    assert scene.executor.called[-1][0] == "CreateCall"  # nothing was computed
    assert scene.gate.shared_examples(EXAMPLES) == {}


@_play(train=dataclasses.replace(RoleRelease.of_training(), min_labels=4))
async def test_too_few_labels(scene):
    assert await scene.refusal(scene.ask()) == "min_labels"


@_play()
async def test_examples_that_are_gone_when_the_work_is_done(scene):
    fewer = {**EXAMPLES, "train": 7}
    scene.executor.on_compute = lambda: scene.gate.note_examples(fewer)
    assert await scene.refusal(scene.ask()) == "min_examples"
    assert scene.records == []


@_play(train=RoleRelease(updates=1, per_label={"num_examples": 1}, min_examples_per_label=5))
async def test_numbers_by_label_need_examples_of_each(scene):
    assert await scene.refusal(scene.ask()) == "min_examples_per_label"
    scene.gate.note_examples({**EXAMPLES, "train_fewest": 5})
    assert await scene.ask()


@_play(evaluate=dataclasses.replace(RoleRelease.of_evaluation(), open=False))
async def test_a_role_can_be_closed(scene):
    assert await scene.ask()
    assert await scene.refusal(scene.ask(split="validation")) == "role_closed"


@_play(hours="22:00-06:00")
async def test_results_leave_within_hours(scene):
    for hour, is_open in ((21, False), (22, True), (5, True), (6, False)):
        local = datetime.datetime(2026, 11, 21, hour, 0).astimezone()
        scene.now = local.astimezone(datetime.UTC) + datetime.timedelta(days=1)
        if is_open:
            await scene.ask()
        else:
            assert await scene.refusal(scene.ask()) == "hours"


@_play(max_rounds_per_day=20)
async def test_a_thousand_probes_get_as_many_answers_as_a_day_has(scene):
    """Two broadcasts for each of 500 rounds, with the daemon started anew at times."""
    answered = 0
    for probe in range(1000):
        if probe % 250 == 249:
            scene.now -= datetime.timedelta(days=1)  # and its clock set back
            scene.open()
        try:
            await scene.ask(round_num=probe // 2, weights=packing.pack("<2i", probe, 0))
            answered += 1
        except CallFailed as failure:
            assert failure.reason == "rounds_per_day"
    assert answered == 40


@_play()
async def test_the_same_question_with_other_words_for_it_is_no_other(scene):
    for query in ("run=r&round=1&seed=7", "seed=7&round=01&run=r", "run=%72&round=1&seed=007"):
        await scene.compute(await scene.asked(f"store://train?{query}"))
    await scene.ask(weights=b"\1" * 8)
    assert await scene.refusal(scene.ask(weights=b"\2" * 8)) == "questions_per_round"


@_play()
async def test_what_the_record_can_not_take_does_not_leave(scene):
    async def full(result) -> None:
        raise Refused("audit_unwritable", "the disk is full")

    call = await scene.asked("store://train")
    body = message(1, call) + message(2, message(1, scene.name))
    with pytest.raises(CallFailed, match="^audit_unwritable$"):
        await scene.gate.answer(
            "Compute", memoryview(body), scene.executor.call, expires=None, released=full
        )


# Manifests.


def _signed(run="r", days=1.0, digest="d" * 64) -> SignedManifest:
    return SignedManifest({}, run, NOW + datetime.timedelta(days=days), digest)


@pytest.mark.parametrize(
    ("policy", "manifest", "rule"),
    [
        (ReleasePolicy(trust="pinned", pinned_graphs=(TRAIN,)), _manifest(), "pinned_graphs"),
        (ReleasePolicy(min_batch_size=9), _manifest(), "min_batch_size"),
        (ReleasePolicy(), _manifest(validation_fraction=0.51), "max_validation_fraction"),
    ],
)
def test_a_manifest_that_the_policy_does_not_take(tmp_path, policy, manifest, rule):
    async def run():
        gate = _Scene(tmp_path, policy).gate
        with pytest.raises(Refused, match=f"^{rule}: "):
            gate.admit_manifest(_signed(), manifest)
        assert not (tmp_path / "released.json").exists()

    asyncio.run(run())


@_play(trust="pinned", pinned_graphs=(TRAIN, EVALUATE))
async def test_pinned_graphs_may_run(scene):
    scene.gate.admit_manifest(_signed(), _manifest())


@_play()
async def test_choices_and_replays_are_counted_over_restarts(scene):
    labels = [["a", "b"], ["b", "c"], ["c", "a"], ["a", "c"], ["b", "a"]]
    for number, chosen in enumerate(labels):
        scene.open()
        scene.gate.admit_manifest(_signed(days=number + 1), _manifest(labels=chosen))
    with pytest.raises(Refused, match="^selections_per_day: "):
        scene.gate.admit_manifest(_signed(days=9), _manifest())
    with pytest.raises(Refused, match="^replayed: "):
        scene.gate.admit_manifest(_signed(days=1), _manifest(labels=labels[0]))


def test_a_graph_without_a_type_is_refused(tmp_path):
    async def run():
        gate = _Scene(tmp_path, ReleasePolicy()).gate
        for graph in (b"", b"graph", message(1, tensor()), json.dumps({}).encode()):
            with pytest.raises(Refused, match="^egress_outputs: "):
                gate.admit_works(_manifest(), lambda digest, graph=graph: graph)

    asyncio.run(run())


@_play()
async def test_another_graph_is_another_question(scene):
    """Else each manifest a second would tell one bit more of a photograph, by whether it fails."""
    for graph in "cde":
        digest = graph * 64
        train = {"batch_size": 8, "epochs": 1, "augmentation": "none", "graphs": {"work": digest}}
        roles = {"train": train, "evaluate": {"graphs": {"work": EVALUATE}}}
        graphs = {**GRAPHS, digest: GRAPHS[TRAIN]}
        scene.gate.admit_works(_manifest(roles=roles), graphs.__getitem__)
        scene.gate.note_examples(EXAMPLES)
        call = await scene.asked("store://train?run=r&round=1&seed=7")
        if graph == "e":
            assert await scene.refusal(scene.compute(call)) == "questions_per_round"
            continue
        scene.executor.failure = CallFailed(13, "graph_failed: of what is in a photograph")
        with pytest.raises(CallFailed, match="graph_failed"):
            await scene.compute(call)
        scene.executor.failure = None


@_play()
async def test_a_count_of_a_thousand_digits_is_none(scene):
    """Each report would else have room for a row of a photograph."""
    lie = {**EXAMPLES, "train": 10**299 + 123456789, "round": 3}
    seen: list[Any] = []
    scene.reports(seen, ("worked", "train"), **lie)
    await scene.ask(round_num=3)
    assert seen == [("worked", "train", {"round": 3, "validation": 11})]
    assert scene.gate.shared_examples(lie) == {"validation": 11}
