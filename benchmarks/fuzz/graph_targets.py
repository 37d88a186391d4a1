"""What is read with TensorFlow's and TFF's messages: values, results, requests, graphs."""

from collections.abc import Callable

import numpy as np

# The protocol buffers of TFF have no public path.
from tensorflow_federated.proto.v0 import executor_pb2

from benchmarks.fuzz.fuzz_target import FuzzTarget
from benchmarks.fuzz.steps import read_steps
from benchmarks.fuzz.store_targets import EXECUTOR_NAME, METHODS, executor_seeds
from benchmarks.round_model import RoundModel
from tff_retail.privacy.graph_bounds import GraphBounds
from tff_retail.privacy.graph_check import check_graph
from tff_retail.privacy.message_scan import Unreadable, scan_message
from tff_retail.runtime.approved_work import ApprovedWork
from tff_retail.runtime.executor_error import ExecutorError
from tff_retail.runtime.executor_service import ExecutorService
from tff_retail.runtime.lifted_contents import lift_contents
from tff_retail.runtime.result_leaves import require_finite, result_leaves
from tff_retail.runtime.value_decoding import MalformedValue, decode_tree
from tff_retail.runtime.value_encoding import encode_compute_response, encode_create_value_request
from tff_retail.runtime.value_tree import Struct

_TREE = Struct(
    (
        ("weights", np.arange(2000, dtype=np.float32)),
        ("flags", np.array([True, False])),
        ("inner", Struct((("", np.asarray(3, np.int64)), ("", np.asarray(1.5, np.float16))))),
    )
)


def graph_targets() -> dict[str, Callable[[], FuzzTarget]]:
    """Makers of the targets by name."""
    return {
        "value": _value,
        "lifted_contents": _lifted_contents,
        "message_scan": _message_scan,
        "result_leaves": _result_leaves,
        "executor_requests": _executor_requests,
        "graph_check": _graph_check,
    }


def _value() -> FuzzTarget:
    def read(data: bytes) -> None:
        try:
            value = executor_pb2.ComputeResponse.FromString(data).value
        except Exception:  # protobuf's own
            return
        decode_tree(value)

    return FuzzTarget(read, (MalformedValue,), [_joined(encode_compute_response(_TREE))], 16_000)


def _lifted_contents() -> FuzzTarget:
    def read(data: bytes) -> None:
        left, contents = lift_contents(memoryview(data))
        assert len(left) + sum(map(len, contents)) <= 2 * len(data) + 100

    seed = _joined(encode_create_value_request(_TREE, "1"))
    return FuzzTarget(read, (MalformedValue,), [seed], 16_000)


def _message_scan() -> FuzzTarget:
    descriptor = executor_pb2.CreateValueRequest.DESCRIPTOR

    def read(data: bytes) -> None:
        scan_message(memoryview(data), descriptor, max_fields=5000, max_depth=50)

    return FuzzTarget(read, (Unreadable,), [_joined(encode_create_value_request(_TREE, "1"))])


def _result_leaves() -> FuzzTarget:
    model = RoundModel((40, 3))
    form = model.compile()
    expected = form["work"].result

    def read(data: bytes) -> None:
        require_finite(result_leaves(data, expected), expected)

    return FuzzTarget(read, (MalformedValue,), [model.answer(form)])


class _Desk:
    """Has a result for whatever is asked."""

    def result(self, *args: object, **named: object) -> list[bytes]:
        """Nothing is computed."""
        return [_joined(encode_compute_response(_TREE))]

    def cancel(self, caller: object) -> None:
        """Nobody waits."""


def _executor_requests() -> FuzzTarget:
    form = RoundModel((1,)).compile()
    works = [ApprovedWork("train", "train", form["work"])]
    digest = form["work"].digest.encode()
    seeds = [seed.replace(b"0123456789abcdef" * 4, digest) for seed in executor_seeds()]

    def read(data: bytes) -> None:
        service = ExecutorService(_Desk())  # type: ignore[arg-type]
        service.approve(works)
        name = EXECUTOR_NAME
        for kind, carried in read_steps(data):
            request = carried.replace(EXECUTOR_NAME, name)
            try:
                answer = service.handle(METHODS[kind % len(METHODS)], request, caller=1)
            except ExecutorError:
                continue
            if METHODS[kind % len(METHODS)] == "GetExecutor":
                name = _joined(answer)[-len(EXECUTOR_NAME) :]

    return FuzzTarget(read, (), seeds, 20_000)


def _graph_check() -> FuzzTarget:
    computation = RoundModel((1,)).compile()["work"].computation

    def read(data: bytes) -> None:
        check_graph(data, bounds=GraphBounds())

    return FuzzTarget(read, (), [computation], 2 * len(computation), is_slow=True)


def _joined(buffers: object) -> bytes:
    return b"".join(buffers)  # type: ignore[call-overload]
