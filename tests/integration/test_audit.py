"""The audit log of a real store: what left is on record before it leaves, whatever happens."""

import hashlib
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
from PIL import Image

from tests.integration.attacked_store import attacked_store, honest_update, tiny_work
from tests.integration.link_stores import Chain
from tests.integration.store_daemons import (
    CLONE,
    RUN,
    TIMEOUT_S,
    make_photographs,
    start_daemon,
)
from tff_retail.privacy.audit_entry import AuditEntry
from tff_retail.privacy.audit_files import AuditFiles
from tff_retail.privacy.audit_log import AuditLog
from tff_retail.program.audit_report import AuditReport, audit_folder, countersigned_path
from tff_retail.program.head_keeper import heads_path
from tff_retail.transport.link_faults import CallFailed, LinkLost
from tff_retail.transport.peer_certificate import PeerCertificate

# What nobody outside the store may ever read: its own names of photographs and shelves.
_PRIVATE = ("Mrs Miller", "till-camera-0042")
# So large that a limit on files leaves room for all that the daemon writes but its audit log.
_ENTRIES_BEFORE = 500


@pytest.fixture(scope="module")
def work():
    return tiny_work(honest_update)


@pytest.fixture(scope="module")
def chain() -> Chain:
    """Of TFF clients, which is none of the store's."""
    return Chain()


def _listen_flags(folder: pathlib.Path, chain: Chain) -> list[str]:
    folder.mkdir()
    tls = chain.server_tls()
    for name, content in (("key", tls.key), ("crt", tls.chain)):
        (folder / f"server.{name}").write_bytes(content)
    (folder / "clients.crt").write_bytes(chain.root)
    return ["--listen_address=localhost:0", f"--listen_tls={folder}"]


def _private_photographs(folder: pathlib.Path) -> pathlib.Path:
    make_photographs(folder)
    private = folder / _PRIVATE[0]
    private.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(private / f"{_PRIVATE[1]}.png")
    Image.fromarray(pixels).save(folder / "red" / f"{_PRIVATE[1]}.png")
    return folder


@pytest.fixture(scope="module")
def attack(tmp_path_factory, work, chain):
    folder = tmp_path_factory.mktemp("audited")
    log = AuditLog(audit_folder(folder / "state north"))
    for number in range(_ENTRIES_BEFORE):
        log.append("before", number=number)
    log.close()
    flags = _listen_flags(folder / "tls", chain)
    data_dir = _private_photographs(folder / "photographs")
    with attacked_store(folder, *flags, data_dir=data_dir) as found:
        found.agree(train=work)
        yield found


def _entries(state_dir: pathlib.Path, event: str = "") -> list[AuditEntry]:
    lines = AuditFiles(audit_folder(state_dir)).lines()
    found = [AuditEntry.parse(line.content) for line in lines if not line.is_torn]
    return [entry for entry in found if not event or entry.event == event]


def _wait(condition, what: str) -> None:
    """Until a file that another process writes says so."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.01)


def _holds(state_dir: pathlib.Path, heads: pathlib.Path | None = None) -> bool:
    return not AuditReport(state_dir, heads).verdict().problems


def _store_audit(state_dir: pathlib.Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "tff_retail.store",
        f"--state_dir={state_dir}",
        *flags,
        "audit",
    ]
    return subprocess.run(command, cwd=CLONE, capture_output=True, text=True, check=False)


def test_what_left_is_on_record_with_its_hash(attack, work):
    answer = attack.compute(work, round_num=3)
    found = _entries(attack.state_dir, "released")[-1]
    manifest = _entries(attack.state_dir, "manifest")[-1]
    assert manifest.fields["run"] == RUN and manifest.fields["graphs"] == {"train": work.digest}
    reports = found.fields["reports"]
    assert reports["count"] >= 1 and len(reports["sha256"]) == 64
    assert {name: value for name, value in found.fields.items() if name != "reports"} == {
        "who": "headquarters",
        "run": RUN,
        "round": 3,
        "role": "train",
        "graph": work.digest,
        "manifest": manifest.fields["digest"],
        "types": {
            "float32": {"tensors": 1, "numbers": 4},
            "int64": {"tensors": 1, "numbers": 1},
        },
        "bytes": len(answer),
        "sha256": hashlib.sha256(answer).hexdigest(),
    }


def test_the_start_says_who_and_under_which_policy(attack):
    (entry,) = _entries(attack.state_dir, "started")
    assert entry.fields["store"] == "north"
    assert entry.fields["chain"] == attack.fleet.folder.chain_id
    assert entry.fields["headquarters"] == attack.address
    assert entry.fields["policy"] is None
    assert _entries(attack.state_dir, "connected")[0].fields["run"] == RUN


def test_a_refusal_is_on_record_with_its_rule(attack):
    caller = attack.caller()
    with pytest.raises(CallFailed) as failure:
        caller.compute(caller.data(f"store://train?run={RUN}&round=1&seed=1"))
    attack.compute(tiny_work(honest_update), round_num=4)  # what was counted is written with it
    found = [entry.fields for entry in _entries(attack.state_dir, "refused")]
    assert {
        "who": "headquarters",
        "method": "Compute",
        "rule": failure.value.reason,
        "times": 1,
    } in found


def test_a_declined_manifest_is_on_record(attack, work):
    with pytest.raises(Exception, match="expired"):
        attack.offer(attack.sign(attack.manifest(train=work), days=-1))
    attack.compute(work, round_num=5)
    assert _entries(attack.state_dir, "manifest")[-1].fields["declined"] == "expired"


def test_a_tff_client_that_dials_in_is_on_record_by_its_certificate(attack, chain):
    port = re.search(r"may connect at port (\d+)", attack.log())[1]
    tls = chain.store_tls("a TFF client")
    with grpc.secure_channel(f"localhost:{port}", tls.grpc_credentials()) as channel:
        compute = channel.unary_unary("/tensorflow_federated.v0.ExecutorGroup/Compute")
        with pytest.raises(grpc.RpcError) as refusal:
            compute(b"nonsense", timeout=TIMEOUT_S)
    rule = refusal.value.details()
    shown = PeerCertificate.from_pem(tls.chain)
    _wait(
        lambda: [e for e in _entries(attack.state_dir, "refused") if "client" in e.fields["who"]],
        "no entry of the client",
    )
    (entry,) = [e for e in _entries(attack.state_dir, "refused") if "client" in e.fields["who"]]
    assert entry.fields["who"] == f"client {shown.fingerprint}"
    assert (entry.fields["method"], entry.fields["rule"]) == ("Compute", rule)


def _acknowledge(attack, round_num: int) -> int:
    """Has a round acknowledged; the entry up to which both sides now have headquarters' word."""
    path = countersigned_path(attack.state_dir)
    before = path.read_bytes().count(b"\n") if path.exists() else 0
    attack.do(attack.link.acknowledge(RUN, round_num))
    sequence = attack.countersigned.get(timeout=TIMEOUT_S)
    _wait(lambda: path.exists() and path.read_bytes().count(b"\n") > before, "nothing kept")
    return sequence


def test_each_round_is_countersigned_and_both_sides_keep_it(attack, work, tmp_path):
    attack.compute(work, round_num=6)
    first = _acknowledge(attack, 6)
    attack.compute(work, round_num=7)
    second = _acknowledge(attack, 7)
    assert first < second <= _entries(attack.state_dir)[-1].sequence
    ours = heads_path(attack.fleet.folder, "north")
    for heads in (None, ours):
        verdict = AuditReport(attack.state_dir, heads).verdict()
        assert (verdict.problems, verdict.num_countersigned) == ((), second)
    assert attack.said == []
    shown = _store_audit(attack.state_dir, "--verify")
    assert shown.returncode == 0, shown.stderr
    assert f"headquarters countersigned the first {second}" in shown.stdout
    # Somebody at the store cuts its log off, then removes its record: headquarters' shows it.
    copy = tmp_path / "copy"
    shutil.copytree(attack.state_dir, copy)
    (path,) = AuditFiles(audit_folder(copy)).paths()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:first]))
    cut = _store_audit(copy, "--verify")
    assert cut.returncode == 1
    assert f"the log ends with entry {first}, but headquarters countersigned" in cut.stdout
    countersigned_path(copy).unlink()
    assert _holds(copy) and not _holds(copy, ours)


def test_an_edited_log_is_found(attack, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(attack.state_dir, copy)
    (path,) = AuditFiles(audit_folder(copy)).paths()
    lines = path.read_bytes().splitlines(keepends=True)
    index = next(n for n, line in enumerate(lines) if b'"event":"released"' in line)
    lines[index] = lines[index].replace(b'"role":"train"', b'"role":"other"')
    path.write_bytes(b"".join(lines))
    problems = AuditReport(copy).verdict().problems
    assert problems[0].startswith(f"{path.name} line {index + 1} was changed")


def test_a_full_disk_keeps_everything_in_and_frees_itself(attack, work):
    (path,) = AuditFiles(audit_folder(attack.state_dir)).paths()
    pid, kind = attack.daemon.process.pid, resource.RLIMIT_FSIZE
    limits = resource.prlimit(pid, kind, (path.stat().st_size + 10, resource.RLIM_INFINITY))
    before = len(attack.messages())
    try:
        for _ in range(2):
            with pytest.raises(CallFailed, match="^audit_unwritable$"):
                attack.compute(work, round_num=8)
    finally:
        resource.prlimit(pid, kind, limits)
    emitted = b"".join(attack.messages()[before:])
    assert attack.log().count("\nthe audit log ") == 1  # and a line for each refusal
    answer = attack.compute(work, round_num=8)
    assert answer not in emitted
    found = _entries(attack.state_dir, "released")[-1]
    assert found.fields["sha256"] == hashlib.sha256(answer).hexdigest()
    assert _entries(attack.state_dir, "unwritten")[-1].fields["entries"] >= 2
    assert "the audit log is written again" in attack.log()
    assert _holds(attack.state_dir)


def test_a_kill_in_mid_round_leaves_a_log_that_holds(attack, work):
    """Last, for it ends the daemon: another one goes on with the log."""
    released = len(_entries(attack.state_dir, "released"))
    asking = threading.Thread(target=_ask_until_lost, args=(attack, work))
    asking.start()
    _wait(lambda: len(_entries(attack.state_dir, "released")) > released + 3, "nothing released")
    attack.daemon.process.send_signal(signal.SIGKILL)
    attack.daemon.process.wait()
    asking.join(TIMEOUT_S)
    assert _holds(attack.state_dir)
    sequence = _entries(attack.state_dir)[-1].sequence
    again = start_daemon(attack.state_dir, attack.data_dir, attack.address)
    try:
        _wait(lambda: len(_entries(attack.state_dir, "started")) == 2, again.said())
        assert _entries(attack.state_dir, "started")[-1].sequence > sequence
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(TIMEOUT_S) == 0, again.said()
    finally:
        again.process.kill()
        again.process.wait()
    assert _entries(attack.state_dir)[-1].event == "stopped"
    assert _holds(attack.state_dir) and _holds(
        attack.state_dir, heads_path(attack.fleet.folder, "north")
    )


def _ask_until_lost(attack, work) -> None:
    """Rounds with weights of their own, one after the other."""
    for round_num in range(100, 1000):
        try:
            attack.compute(work, round_num=round_num)
        except (CallFailed, LinkLost):
            return


def test_nothing_private_is_in_any_record(attack):
    """In the store's own audit log neither: it may be shown to headquarters' auditor."""
    kept = [*audit_folder(attack.state_dir).iterdir(), *attack.fleet.folder.path.rglob("*")]
    contents = [path.read_bytes() for path in kept if path.is_file()]
    contents += [*attack.messages(), "\n".join(attack.said).encode()]
    assert len(contents) > 20
    for private in (*_PRIVATE, "photographs", "0.png"):
        assert not any(private.encode() in content for content in contents), private
