"""The daemon follows by itself what is asked, whatever the executor says."""

import pytest

from tests.privacy.executor_messages import FLOAT32, array, data, message, reference, value_struct
from tff_retail.privacy.executor_conversation import ExecutorConversation
from tff_retail.privacy.refused import Refused

SENT = array(FLOAT32, (1,), b"\0" * 4)
DATA = data("store://train?run=r&round=1&seed=7")
_EXECUTOR = {
    "CreateValue": 2,
    "CreateCall": 3,
    "CreateStruct": 3,
    "CreateSelection": 4,
    "Compute": 2,
    "Dispose": 2,
    "DisposeExecutor": 1,
}


class _Caller:
    """Makes values of an executor that answers as it should."""

    def __init__(self) -> None:
        self.conversation = ExecutorConversation()
        opening = self.conversation.follow("GetExecutor", memoryview(b""))
        answer = message(1, message(1, b"inside"))
        opened = self.conversation.checked(opening, memoryview(answer))
        self.executor = b"".join(opened)[2:]
        self.made = 0

    def follow(self, method: str, *fields: bytes):
        body = b"".join(fields) + message(_EXECUTOR[method], self.executor)
        return self.conversation.follow(method, memoryview(body))

    def make(self, method: str, *fields: bytes) -> bytes:
        call = self.follow(method, *fields)
        self.made += 1
        self.conversation.checked(call, memoryview(message(1, reference(self.made))))
        return reference(self.made)

    def value(self, value: bytes) -> bytes:
        return self.make("CreateValue", message(1, value))

    def struct(self, *references: bytes) -> bytes:
        return self.make("CreateStruct", *(message(1, message(2, one)) for one in references))

    def select(self, source: bytes, index: int) -> bytes:
        return self.make("CreateSelection", message(1, source) + bytes([0x18, index]))

    def invoke(self, argument: bytes) -> bytes:
        work = self.value(data(f"work://{'a' * 64}"))
        return self.make("CreateCall", message(1, work), message(2, argument))

    def compute(self, value: bytes):
        return self.follow("Compute", message(1, value)).result


@pytest.fixture
def caller() -> _Caller:
    return _Caller()


def _refused(rule: str):
    return pytest.raises(Refused, match=f"^{rule}: ")


def test_a_result_is_known_by_its_data_and_all_that_was_sent(caller):
    first = caller.compute(caller.invoke(caller.struct(caller.value(DATA), caller.value(SENT))))
    assert first.data == "store://train?run=r&round=1&seed=7"
    whole = caller.value(value_struct(DATA, value_struct(SENT)))
    assert caller.compute(caller.invoke(whole)) == first
    federated = message(5, message(2, DATA))
    named = caller.struct(caller.value(federated), caller.value(SENT))
    assert caller.compute(caller.invoke(named)) == first
    more = caller.value(array(FLOAT32, (1,), b"\1" * 4))
    other = caller.compute(caller.invoke(caller.struct(caller.value(DATA), more)))
    assert other.data == first.data and other.broadcast != first.broadcast


def test_a_part_of_a_result_is_known_by_its_path(caller):
    call = caller.invoke(caller.struct(caller.value(DATA), caller.value(SENT)))
    part = caller.select(caller.select(call, 2), 3)
    assert caller.compute(part).path == (2, 3)


def test_what_is_selected_from_a_struct_is_what_was_put_in(caller):
    struct = caller.struct(caller.value(SENT), caller.value(DATA))
    again = caller.struct(caller.select(struct, 1), caller.select(struct, 0))
    assert caller.compute(caller.invoke(again)).data
    with _refused("own_results_only"):
        caller.compute(caller.select(struct, 1))
    with _refused("malformed_request"):
        caller.select(struct, 2)


@pytest.mark.parametrize(
    "index",
    [
        bytes([0x18, 1, 0x18, 0]),  # the executor's parser takes the last of two
        bytes([0x18, 0, 0x18, 0]),
        bytes([0x18, 0x80, 0x80, 0x80, 0x80, 0x10]),  # 2**32, of which it takes the lower half
        bytes([0x1A, 1, 0]),
    ],
)
def test_an_index_that_can_be_read_in_two_ways_is_malformed(caller, index):
    """Else the daemon would count one question while the executor answers another."""
    other = caller.value(data("store://train?run=r&round=2&seed=7"))
    struct = caller.struct(other, caller.value(DATA))
    with _refused("malformed_request"):
        caller.make("CreateSelection", message(1, struct) + index)
    call = caller.invoke(caller.struct(caller.value(DATA), caller.value(SENT)))
    with _refused("malformed_request"):
        caller.make("CreateSelection", message(1, call) + index)


def test_without_one_data_set_a_result_has_none(caller):
    sent, named = caller.value(SENT), caller.value(DATA)
    result = caller.invoke(caller.struct(named, sent))
    for argument in (sent, caller.struct(named, named), caller.struct(named, result)):
        assert caller.compute(caller.invoke(argument)).data == ""


def test_what_is_gone_is_gone(caller):
    named = caller.value(DATA)
    call = caller.follow("Dispose", message(1, named))
    caller.conversation.checked(call, memoryview(b""))
    with _refused("unknown_value"):
        caller.struct(named)
    call = caller.follow("DisposeExecutor")
    caller.conversation.checked(call, memoryview(b""))
    with _refused("unknown_executor"):
        caller.value(DATA)


def test_a_struct_of_structs_does_not_grow_without_bound(caller):
    value = caller.value(SENT)
    with _refused("too_much"):
        for _ in range(20):
            value = caller.struct(*[value] * 10)
    deep = SENT
    for _ in range(40):
        deep = value_struct(deep)
    with _refused("too_much"):
        caller.value(deep)


def test_structs_of_nothing_are_not_visited_without_end(caller):
    empty = caller.value(message(3, b""))
    many = caller.struct(*[empty] * 5_000)
    with _refused("too_much"):
        caller.struct(many, many, many)


def test_many_structs_do_not_grow_without_bound(caller):
    """Each small on the way; what they hold counts, of all executors together."""
    wide = caller.struct(*[caller.value(SENT)] * 5000)
    with _refused("too_much"):
        for _ in range(50):
            caller.struct(wide)
    caller.conversation.checked(caller.follow("Dispose", message(1, wide)), memoryview(b""))
    caller.value(SENT)


def test_a_million_fields_are_not_read(caller):
    for value in (b"\x0a\x00" * 10**6, message(3, b"\x0a\x00" * 10**6)):
        with _refused("malformed_request"):
            caller.value(value)
    nested = message(3, message(1, message(2, message(3, b"\x0a\x00" * 9000))) * 50)
    with pytest.raises(Refused):
        caller.value(nested)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        DATA + SENT,
        DATA + DATA,
        message(3, message(2, SENT)),
        message(3, message(1, message(2, SENT) + message(2, DATA))),
        message(2, message(10, message(1, b"store://train")) + message(10, b"")),
        message(2, message(10, message(1, b"a") + message(1, b"b"))),
        message(2, message(10, message(1, b"\xff"))),
        message(5, message(2, DATA) + message(2, DATA)),
        message(9, b""),
        b"\x30\x01",
        message(6, message(18, b"\0" * 4) + message(18, b"\1" * 4)),
        message(6, message(18, b"\0" * 4) + message(13, b"")),
        message(6, message(2, message(1, b"\1"))),
    ],
    ids=range(15),
)
def test_what_can_be_read_in_two_ways_is_malformed(caller, value):
    with _refused("malformed_request"):
        caller.value(value)


def test_a_request_names_one_executor(caller):
    twice = message(1, SENT) + message(2, caller.executor) * 2
    for body in (message(1, SENT), twice, b"\xff"):
        with _refused("malformed_request"):
            caller.conversation.follow("CreateValue", memoryview(body))
    with _refused("unknown_method"):
        caller.conversation.follow("ReadPhotograph", memoryview(b""))


def test_references_of_many_values_take_no_memory(caller):
    for _ in range(100):
        caller.value(SENT)
    (executor,) = caller.conversation._executors.values()
    assert (executor.used, executor.used_up_to) == (set(), 100)
