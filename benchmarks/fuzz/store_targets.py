"""What a store reads beside the link: manifests, policy, audit log, models, executor's calls."""

import datetime
import io
import json
import pathlib
import tarfile
import tempfile
from collections.abc import Callable

from benchmarks.fuzz.fuzz_target import FuzzTarget
from benchmarks.fuzz.steps import read_steps, write_steps
from tff_retail.config import ConfigurationError
from tff_retail.privacy.audit_entry import NO_HASH, AuditEntry
from tff_retail.privacy.audit_verification import verify_audit
from tff_retail.privacy.egress_form import check_egress_form
from tff_retail.privacy.executor_conversation import ExecutorConversation
from tff_retail.privacy.protobuf_fields import MalformedMessage, write_bytes, write_number
from tff_retail.privacy.refused import Refused
from tff_retail.privacy.release_policy_file import read_release_policy
from tff_retail.privacy.value_type import StructType, TensorType
from tff_retail.program.model_archive import MalformedArchive, pack_model, unpack_model
from tff_retail.program.store_manifest import UnusableManifest, read_store_manifest
from tff_retail.runtime.data_uri import DataName, MalformedUri, parse_data_uri, parse_work_uri

_DIGEST = "0123456789abcdef" * 4
# An executor's name is drawn; in inputs this stands for it.
EXECUTOR_NAME = b"#" * 32
METHODS = (
    "GetExecutor",
    "CreateValue",
    "CreateStruct",
    "CreateSelection",
    "CreateCall",
    "Compute",
    "Dispose",
    "DisposeExecutor",
)


def store_targets() -> dict[str, Callable[[], FuzzTarget]]:
    """Makers of the targets by name."""
    return {
        "store_manifest": _store_manifest,
        "data_uri": _data_uri,
        "policy_file": _policy_file,
        "audit_line": _audit_line,
        "audit_folder": _audit_folder,
        "model_archive": _model_archive,
        "executor_conversation": _executor_conversation,
        "egress_form": _egress_form,
    }


def _store_manifest() -> FuzzTarget:
    role = {"graphs": {"work": _DIGEST}, "batch_size": 8, "epochs": 1, "augmentation": "none"}
    manifest = {
        "roles": {"train": role, "evaluate": role, "features": {**role, "weights": _DIGEST}},
        "labels": ["a", "b"],
        "image_size": 32,
        "validation_fraction": 0.2,
    }

    def read(data: bytes) -> None:
        try:
            values = json.loads(data)
        except (ValueError, RecursionError):
            return  # JSON that is none ends at the signed manifest's reader
        if isinstance(values, dict):
            read_store_manifest(values).config()

    return FuzzTarget(read, (UnusableManifest,), [json.dumps(manifest).encode()])


def _data_uri() -> FuzzTarget:
    def read(data: bytes) -> None:
        uri = data.decode("utf-8", "replace")
        if parse_work_uri(uri) is None:
            name = parse_data_uri(uri)
            assert parse_data_uri(name.uri()) == name

    seeds = [DataName("train", "run", 3, 7).uri().encode(), f"work://{_DIGEST}".encode()]
    return FuzzTarget(read, (MalformedUri,), [*seeds, b"store://validation"])


def _policy_file() -> FuzzTarget:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-policy-"))
    example = pathlib.Path(__file__).parents[2] / "configs" / "policy.toml"

    def read(data: bytes) -> None:
        path = folder / "policy.toml"
        path.write_bytes(data)
        read_release_policy(path)

    seeds = [example.read_bytes(), b"trust = 'pinned'\n", b"[train]\nmin_examples = 3\n"]
    return FuzzTarget(read, (ConfigurationError,), seeds, max_bytes=8192, is_slow=True)


def _audit_lines() -> list[bytes]:
    lines, previous = [], NO_HASH
    for number in range(1, 4):
        time = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
        entry = AuditEntry.make(number, time, "released", {"bytes": number}, previous=previous)
        lines.append(entry.line)
        previous = entry.hash
    return lines


def _audit_line() -> FuzzTarget:
    def read(data: bytes) -> None:
        AuditEntry.parse(data).follows(NO_HASH)
        # The reader behind the form: the fuzzer's bytes as an entry.
        AuditEntry.parse(b'{"entry":{' + data + b'},"hash":"' + _DIGEST.encode() + b'"}\n')

    def either(data: bytes) -> None:
        try:
            read(data)
        except ValueError:
            AuditEntry.parse(b'{"entry":{' + data + b'},"hash":"' + _DIGEST.encode() + b'"}\n')

    inner = b'"event":"x","sequence":1,"time":"t","more":{"a":[1]}'
    return FuzzTarget(either, (ValueError,), [*_audit_lines(), inner])


def _audit_folder() -> FuzzTarget:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fuzz-audit-"))

    def read(data: bytes) -> None:
        (folder / "log-00001.jsonl").write_bytes(data)
        verify_audit(folder, [])

    seeds = [b"".join(_audit_lines()), b"".join(_audit_lines())[:-9]]
    return FuzzTarget(read, (), seeds, is_slow=True)


def _model_archive() -> FuzzTarget:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "inner").mkdir()
        (folder / "labels.txt").write_text("a\nb\n", encoding="utf-8")
        (folder / "inner" / "weights").write_bytes(bytes(2000))
        packed = pack_model(folder)

    def read(data: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="fuzz-model-") as target:
            unpack_model(_with_checksums(data), pathlib.Path(target))

    seeds = [packed, *map(_odd_archive, (tarfile.GNUTYPE_SPARSE, tarfile.LNKTYPE, b"x", b"L"))]
    return FuzzTarget(read, (MalformedArchive, OSError), seeds, max_bytes=16_384, is_slow=True)


def _odd_archive(kind: bytes) -> bytes:
    """A file, a header of a kind, and the file's name once more."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for number, one in enumerate((tarfile.REGTYPE, kind, tarfile.REGTYPE)):
            entry = tarfile.TarInfo(f"file-{number}")
            entry.type, entry.size = one, 30
            archive.addfile(entry, io.BytesIO(b"30 path=abc".ljust(30, b"\0")))
    return buffer.getvalue()


def _with_checksums(data: bytes) -> bytes:
    """Headers that a fuzzer changed, with the checksum that they would need."""
    fixed = bytearray(data)
    for begin in range(0, len(fixed) - 511, 512):
        if fixed[begin + 257 : begin + 262] == b"ustar":
            fixed[begin + 148 : begin + 156] = b" " * 8
            total = sum(fixed[begin : begin + 512])
            fixed[begin + 148 : begin + 156] = b"%06o\0 " % total
    return bytes(fixed)


def executor_seeds() -> list[bytes]:
    """A whole round's calls, as steps of method and request, for all that follow them."""
    executor = b"".join(write_bytes(1, [EXECUTOR_NAME]))

    def of(field: int) -> bytes:
        return b"".join(write_bytes(field, [executor]))

    def reference(field: int, number: int) -> bytes:
        return b"".join(write_bytes(field, [*write_bytes(1, [str(number).encode()])]))

    def message(field: int, *payload: bytes) -> bytes:
        return b"".join(write_bytes(field, payload))

    content = message(18, bytes(4))
    array = message(6, write_number(1, 1), message(2, message(1, b"\1")), content)
    large = message(
        6, write_number(1, 1), message(2, message(1, b"\x80\x10")), message(18, bytes(8192))
    )
    data = message(1, message(14, message(1, b"store://train?run=r&round=1&seed=7")))
    work = message(1, message(14, message(1, f"work://{_DIGEST}".encode())))
    elements = message(1, reference(2, 1)) + message(1, reference(2, 2))
    calls = [
        (0, b""),
        (1, message(1, data) + of(2)),
        (1, message(1, array) + of(2)),
        (1, message(1, work) + of(2)),
        (1, message(1, large) + of(2)),
        (2, elements + of(3)),
        (4, reference(1, 3) + reference(2, 5) + of(3)),
        (3, reference(1, 6) + write_number(3, 0) + of(4)),
        (5, reference(1, 6) + of(2)),
        (6, reference(1, 1) + of(2)),
        (7, of(1)),
    ]
    return [write_steps(calls), *(write_steps([calls[0], call]) for call in calls)]


def _executor_conversation() -> FuzzTarget:
    def read(data: bytes) -> None:
        conversation, name, made = ExecutorConversation(), EXECUTOR_NAME, 0
        for kind, carried in read_steps(data):
            request = carried.replace(EXECUTOR_NAME, name)
            try:
                call = conversation.follow(METHODS[kind % len(METHODS)], memoryview(request))
                made += 1
                reply = write_bytes(1, [*write_bytes(1, [str(made).encode()])])
                # The executor's answer is what it should be, or a stranger's bytes.
                answer = b"".join(reply) if kind < 128 else request
                told = conversation.checked(call, memoryview(answer))
            except Refused:
                continue
            if call.method == "GetExecutor":
                name = b"".join(told)[-len(EXECUTOR_NAME) :]

    return FuzzTarget(read, (Refused,), executor_seeds(), max_bytes=20_000)


def _egress_form() -> FuzzTarget:
    number = TensorType(9, ())
    weights = TensorType(1, (2,))
    expected = StructType((("update", weights), ("num", number)))

    def read(data: bytes) -> None:
        check_egress_form(memoryview(data), expected)

    def message(field: int, *payload: bytes) -> bytes:
        return b"".join(write_bytes(field, payload))

    shape = message(2, message(1, b"\2"))
    array = message(6, write_number(1, 1), shape, message(18, bytes(8)))
    scalar = message(6, write_number(1, 9), message(2), message(7, message(1, b"\5")))
    struct = message(
        3,
        message(1, message(1, b"update"), message(2, array)),
        message(1, message(1, b"num"), message(2, scalar)),
    )
    return FuzzTarget(read, (MalformedMessage,), [message(1, struct)])
