"""What a store's daemon makes of headquarters' messages, with an executor that is none."""

import asyncio
import contextlib
import datetime
import hashlib
import json
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.privacy.executor_messages import message, struct, tensor, work
from tff_retail.privacy.release_ledger import ReleaseLedger
from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.program.content_folder import ContentFolder
from tff_retail.program.installed_models import InstalledModels
from tff_retail.program.release_gate import ReleaseGate
from tff_retail.program.store_agent import StoreAgent
from tff_retail.transport.link_faults import CallFailed, LinkLost, StoreRefused
from tff_retail.transport.private_file import write_private_file
from tff_retail.transport.signed_manifest import sign_manifest

CHAIN, RUN = "c" * 64, "first"
NOW = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)
KEY = ed25519.Ed25519PrivateKey.generate()
BODIES = (work(struct(("loss", tensor())), tensor()), work(struct(("top_1", tensor())), tensor()))
GRAPHS = {hashlib.sha256(graph).hexdigest(): graph for graph in BODIES}
TRAIN, EVALUATE = GRAPHS
EXAMPLES = {"train": 30, "validation": 20}
COUNTS = {
    **EXAMPLES,
    "train_labels": 2,
    "train_fewest": 9,
    "validation_labels": 2,
    "validation_fewest": 9,
}
# An executor is opened, and that is all that these calls do.
OPENED = message(1, message(1, b"1"))


class _Trust:
    manifest_key = KEY.public_key()
    chain_id = CHAIN


class _Link:
    """Headquarters, as far as it is told anything."""

    def __init__(self) -> None:
        self.told: list[tuple] = []

    def want(self, manifest, digests):
        self.told.append(("want", list(digests)))

    def ready(self, manifest, examples):
        self.told.append(("ready", manifest, dict(examples)))

    def decline(self, manifest, code, sentence):
        self.told.append(("decline", code))

    def report(self, state, *, code, values):
        self.told.append(("report", state, code))


class _Executor:
    """Loads when it may, and answers what it is given."""

    def __init__(self) -> None:
        self.loaded: list[dict] = []
        self.may_load, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_load.set()
        self.may_answer.set()
        self.failure: Exception | None = None
        self.called: list[tuple[str, bytes]] = []
        self.cancelled = asyncio.Event()
        self.acknowledged: list[tuple[str, int]] = []

    async def load(self, manifest):
        self.loaded.append(json.loads(manifest))
        await self.may_load.wait()
        if self.failure is not None:
            raise self.failure
        return COUNTS

    @contextlib.asynccontextmanager
    async def call(self, method, body):
        self.called.append((method, b"".join(body)))
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.failure is not None:
            raise self.failure
        yield memoryview(OPENED)

    async def acknowledge(self, run, round_num):
        self.acknowledged.append((run, round_num))


class _Record:
    """Of what is written nothing is looked at here."""

    def __getattr__(self, name):
        return lambda *arguments: None


def _manifest(**changes) -> dict:
    train = {"batch_size": 8, "epochs": 1, "augmentation": "none", "graphs": {"work": TRAIN}}
    return {
        "labels": ["a", "b"],
        "image_size": 32,
        "validation_fraction": 0.2,
        "roles": {"train": train, "evaluate": {"graphs": {"work": EVALUATE}}},
        **changes,
    }


def _signed(manifest=None, *, days=1.0, run=RUN, key=KEY) -> bytes:
    return sign_manifest(
        json.dumps(manifest or _manifest()).encode(),
        key=key,
        run=run,
        chain_id=CHAIN,
        expires=NOW + datetime.timedelta(days=days),
    )


class _Scene:
    """An agent between a link and an executor that are none."""

    def __init__(self, folder) -> None:
        self.said: list[str] = []
        self.now = NOW
        self.contents = ContentFolder(folder / "work")
        self.record: Any = _Record()
        policy = ReleasePolicy()
        ledger = ReleaseLedger(
            folder / "released.json", policy, save=write_private_file, now=lambda: self.now
        )
        self.agent = StoreAgent(
            _Trust(),
            self.contents,
            InstalledModels(folder / "model"),
            ReleaseGate(policy, ledger, say=self.said.append, now=lambda: self.now),
            record=cast(Any, self.record),
            kept_manifest=folder / "manifest.signed",
            say=self.said.append,
            now=lambda: self.now,
            grace_s=0.0,
        )
        self.executor: Any = _Executor()
        self.link: Any = _Link()
        self.agent.employ(cast(Any, self.executor))

    async def take(self, signed: bytes) -> str:
        digest = hashlib.sha256(signed).hexdigest()
        await self.agent.take_manifest(self.link, digest, memoryview(signed))
        await self.settle()
        return digest

    async def ready(self) -> str:
        """Takes a manifest and its contents."""
        await self.agent.joined(self.link, RUN)
        digest = await self.take(_signed())
        for name, graph in GRAPHS.items():
            await self.agent.take_content(self.link, name, memoryview(graph))
        await self.settle()
        assert self.link.told[-1] == ("ready", digest, EXAMPLES)
        return digest

    async def settle(self) -> None:
        """Lets every task go on that can."""
        for _ in range(20):
            await asyncio.sleep(0)


def _play(scene_of):
    """A test of a scene, run in a loop of its own."""

    def test(tmp_path):
        async def run():
            await scene_of(_Scene(tmp_path))

        asyncio.run(run())

    test.__name__ = scene_of.__name__
    return test


@_play
async def test_contents_are_asked_for_once(scene):
    await scene.agent.joined(scene.link, RUN)
    digest = await scene.take(_signed())
    assert scene.link.told == [("want", [TRAIN, EVALUATE])]
    await scene.agent.take_content(scene.link, TRAIN, memoryview(BODIES[0]))
    assert scene.executor.loaded == []
    await scene.agent.take_content(scene.link, EVALUATE, memoryview(BODIES[1]))
    await scene.settle()
    assert scene.executor.loaded == [_manifest()]
    assert scene.link.told[1:] == [("ready", digest, EXAMPLES)]
    other = await scene.take(_signed(_manifest(image_size=64)))
    assert scene.link.told[2:] == [("ready", other, EXAMPLES)]


@_play
async def test_a_manifest_signed_anew_does_not_disturb(scene):
    await scene.ready()
    digest = await scene.take(_signed(days=2))
    assert scene.link.told[-1] == ("ready", digest, EXAMPLES)
    assert len(scene.executor.loaded) == 1


@_play
async def test_a_manifest_signed_anew_while_it_is_loaded_is_answered_once(scene):
    await scene.agent.joined(scene.link, RUN)
    for name, graph in GRAPHS.items():
        scene.contents.put(name, graph)
    scene.executor.may_load.clear()
    await scene.take(_signed())
    digest = await scene.take(_signed(days=2))
    scene.executor.may_load.set()
    await scene.settle()
    assert scene.link.told == [("ready", digest, EXAMPLES)]
    assert len(scene.executor.loaded) == 1


@_play
async def test_what_was_loaded_is_in_force_and_on_record_whatever_was_offered_since(scene):
    taken = []
    scene.record.manifest_taken = lambda signed, manifest: taken.append(signed.digest)
    await scene.agent.joined(scene.link, RUN)
    for name, graph in GRAPHS.items():
        scene.contents.put(name, graph)
    scene.executor.may_load.clear()
    loaded = await scene.take(_signed(days=1))
    other = {"train": {**_manifest()["roles"]["train"], "graphs": {"work": "e" * 64}}}
    await scene.take(_signed(_manifest(roles=other), days=3))  # its graph never comes
    scene.executor.may_load.set()
    await scene.settle()
    assert taken == [loaded]
    scene.now = NOW + datetime.timedelta(days=2)
    with pytest.raises(CallFailed, match="^manifest_expired$"):
        await scene.agent.call("GetExecutor", memoryview(b""))


@_play
async def test_what_breaks_a_rule_is_declined(scene):
    await scene.agent.joined(scene.link, RUN)
    other_key = ed25519.Ed25519PrivateKey.generate()
    for signed in (
        b"no manifest",
        _signed(key=other_key),
        _signed(run="second"),
        _signed(days=-1),
        _signed(_manifest(labels=["one"])),
        _signed(_manifest(image_size=1)),
    ):
        await scene.take(signed)
    codes = ["format", "signature", "run", "expired", "manifest", "manifest"]
    assert scene.link.told == [("decline", code) for code in codes]
    assert len(scene.said) == 1 + len(codes)
    assert scene.executor.loaded == []


@_play
async def test_contents_of_another_digest_are_declined(scene):
    await scene.agent.joined(scene.link, RUN)
    await scene.take(_signed())
    await scene.agent.take_content(scene.link, TRAIN, memoryview(b"something else"))
    assert scene.link.told[-1] == ("decline", "contents")


@_play
async def test_what_the_executor_refuses_is_declined(scene):
    scene.executor.failure = StoreRefused("photographs", "they can't be read")
    await scene.agent.joined(scene.link, RUN)
    for name, graph in GRAPHS.items():
        scene.contents.put(name, graph)
    await scene.take(_signed())
    assert scene.link.told == [("decline", "photographs")]


@_play
async def test_an_executor_that_is_there_anew_is_told_again(scene):
    digest = await scene.ready()
    await scene.agent.on_up()
    assert len(scene.executor.loaded) == 2
    assert scene.link.told[-2:] == [("ready", digest, EXAMPLES)] * 2
    scene.executor.failure = LinkLost("it ended")
    told = list(scene.link.told)
    await scene.agent.on_up()
    assert scene.link.told == told


@_play
async def test_headquarters_hears_of_an_executor_that_is_down_and_of_its_return(scene):
    scene.agent.on_down()  # no manifest yet: nobody counts on it
    digest = await scene.ready()
    told = len(scene.link.told)
    scene.agent.on_down()
    scene.agent.on_down()
    await scene.agent.on_up()
    assert scene.link.told[told:] == [("decline", "executor_down"), ("ready", digest, EXAMPLES)]


def _after_a_restart(folder, **changes) -> _Scene:
    later = _Scene(folder)
    for name, value in changes.items():
        setattr(later, name, value)
    later.agent.take_kept_manifest()
    return later


def _play_restart(scene_of):
    """A test of a store that was ready before it was started again."""

    def test(tmp_path):
        async def run():
            await _Scene(tmp_path).ready()
            await scene_of(tmp_path)

        asyncio.run(run())

    test.__name__ = scene_of.__name__
    return test


@_play_restart
async def test_the_manifest_outlives_a_restart(folder):
    scene = _after_a_restart(folder)
    await scene.agent.on_up()
    assert scene.executor.loaded == [_manifest()]
    assert await scene.agent.answer("GetExecutor", b"")
    await scene.agent.joined(scene.link, RUN)
    digest = await scene.take(_signed())
    assert scene.link.told == [("ready", digest, EXAMPLES)]
    assert len(scene.executor.loaded) == 1


@_play_restart
async def test_a_manifest_signed_anew_outlives_a_restart(folder):
    """The one before it is a replay by then."""
    scene = _after_a_restart(folder)
    await scene.agent.on_up()
    await scene.agent.joined(scene.link, RUN)
    await scene.take(_signed(days=2))
    again = _after_a_restart(folder)
    await again.agent.on_up()
    assert (again.said, again.executor.loaded) == (["ready for the run " + RUN], [_manifest()])


@_play_restart
async def test_a_kept_manifest_is_verified_anew(folder):
    path = folder / "manifest.signed"
    assert path.stat().st_mode & 0o777 == 0o600
    late = _after_a_restart(folder, now=NOW + datetime.timedelta(days=2))
    path.write_bytes(_signed(key=ed25519.Ed25519PrivateKey.generate()))
    foreign = _after_a_restart(folder)
    for scene, reason in ((late, "the manifest ended at"), (foreign, "is not signed by the key")):
        await scene.agent.on_up()
        assert scene.executor.loaded == []
        (line,) = scene.said
        assert line.startswith("the manifest of before is of no use any more") and reason in line


@_play_restart
async def test_a_kept_manifest_without_its_contents_waits_for_headquarters(folder):
    (folder / "work" / TRAIN).unlink()
    scene = _after_a_restart(folder)
    await scene.agent.on_up()
    assert (scene.executor.loaded, scene.said) == ([], [])


@_play
async def test_calls_pass(scene):
    await scene.ready()
    answer = await scene.agent.call("GetExecutor", memoryview(b""))
    assert len(b"".join(answer)) == len(OPENED) + 31  # a name of the daemon's own
    assert scene.executor.called == [("GetExecutor", b"")]
    scene.executor.failure = CallFailed(7, "own_results_only: no")
    with pytest.raises(CallFailed, match="^own_results_only$"):
        await scene.agent.call("GetExecutor", memoryview(b""))


@_play
async def test_after_a_refusal_for_want_of_photographs_they_are_counted_anew_once_a_minute(scene):
    await scene.ready()
    times = len(scene.executor.loaded)
    for rule, expected in (("own_results_only", 0), ("min_examples", 1), ("min_examples", 1)):
        scene.executor.failure = CallFailed(7, rule)
        with pytest.raises(CallFailed, match=f"^{rule}$"):
            await scene.agent.call("GetExecutor", memoryview(b""))
        scene.executor.failure = None
        await scene.settle()
        assert len(scene.executor.loaded) == times + expected


@_play
async def test_a_manifest_that_ended_answers_no_call(scene):
    await scene.ready()
    scene.now = NOW + datetime.timedelta(days=1, seconds=1)
    with pytest.raises(CallFailed, match="^manifest_expired$") as failure:
        await scene.agent.call("GetExecutor", memoryview(b""))
    assert failure.value.code == 7
    assert scene.executor.called == []


async def _give_up_a_call(scene) -> None:
    scene.executor.may_answer.clear()
    call = asyncio.create_task(scene.agent.call("GetExecutor", memoryview(b"")))
    await scene.settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


@_play
async def test_a_call_that_is_given_up_is_cancelled(scene):
    await scene.ready()
    await _give_up_a_call(scene)
    await asyncio.wait_for(scene.executor.cancelled.wait(), 20)


@_play
async def test_a_call_whose_link_is_lost_goes_on(scene):
    await scene.ready()
    await _give_up_a_call(scene)
    scene.agent.left("the cable was cut", 1.0)
    await scene.agent.joined(_Link(), RUN)
    await scene.settle()
    assert not scene.executor.cancelled.is_set()


@_play
async def test_work_is_a_line_and_without_a_question_no_report(scene):
    await scene.ready()
    told = list(scene.link.told)
    values = {**COUNTS, "round": 3, "seconds": 2.14}
    scene.agent.on_report({"state": "worked", "code": "train", "values": values})
    assert scene.said[-1] == "round 3: trained on 30 photographs in 2.1 s"
    assert scene.link.told == told  # nobody asked for round 3; see `test_release_gate.py`
    more = {**values, "round": 4, "train": 1200}
    scene.agent.on_report({"state": "worked", "code": "train", "values": more})
    assert scene.said[-1] == "round 4: trained on 1,200 photographs in 2.1 s"
    assert scene.link.told == told
    scene.agent.on_report({"state": "worked", "code": "evaluate", "values": more})
    assert scene.said[-1] == "round 4: did evaluate on 20 photographs in 2.1 s"


@_play
async def test_a_night_without_headquarters_is_one_line(scene):
    for _ in range(3):
        scene.agent.left("it can't be reached", 1.0)
    assert scene.said == ["not connected: it can't be reached; trying again"]
    scene.agent.left("its certificate ended", 1.0)
    assert len(scene.said) == 2


@_play
async def test_acknowledgements_pass(scene):
    await scene.agent.take_acknowledgement(RUN, 7)
    assert scene.executor.acknowledged == [(RUN, 7)]
