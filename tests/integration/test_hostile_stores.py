"""Stores with good certificates that send what no honest one would, over real links.

Headquarters refuses it, names the store, counts it as failed and makes the model of the others.
"""

import itertools
import socket
import ssl

import grpc
import numpy as np
import pytest

from tests.integration.hostile_chain import HostileChain, compile_averaging
from tests.integration.link_stores import TIMEOUT_S, ask, link_surroundings, port_of
from tests.integration.rogue_store import frame_bytes, rogue_store
from tests.transport.small_fleet import SmallFleet
from tff_retail.config import LearningConfig
from tff_retail.transport.enrolment_listener import EnrolmentListener
from tff_retail.transport.link_faults import LinkLost
from tff_retail.transport.link_frames import Kind
from tff_retail.transport.tls import ClientTls

_CLIP_NORM = 1.0
_LEARNING = LearningConfig(update_clip_norm=_CLIP_NORM)
# Of the leaves of `work`'s result: the first one of the update (2 x 3), and its weight.
_UPDATE, _WEIGHT = "0/1/0", "0/2"
# A store that is replaced dials again; each test has one of its own.
_NUMBERS = itertools.count(1)
_BROKEN_ANSWERS = {
    "cut short": lambda answer: answer[:-5],
    "nothing": lambda answer: b"",
    "no protocol buffer": lambda answer: b"\xff" * 40,
    "twice over": lambda answer: answer + answer,
}


@pytest.fixture(scope="module")
def form():
    return compile_averaging(_LEARNING)


@pytest.fixture(scope="module")
def chain(form, tmp_path_factory):
    with link_surroundings() as around:
        yield HostileChain(around, form, _LEARNING, tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def honest(chain):
    """The name of a store that keeps to all rules, and the sum over it alone, in bits."""
    chain.join("honest")
    return "honest", _bits(chain.collect("honest"))


def _bits(collection):
    return [np.asarray(leaf).tobytes() for leaf in collection.total]


def _require_refused(chain, honest, sentence, **hostile):
    """Fails unless the round is that of the honest store, and the other one is named with why."""
    name, expected = honest
    other = chain.join(f"hostile {next(_NUMBERS)}", **hostile).name
    collection = chain.collect(name, other)
    assert [outcome.store for outcome in collection.outcomes] == [name, other]
    failures = [outcome.failure for outcome in collection.outcomes]
    assert failures[0] is None
    assert failures[1] is not None and failures[1].startswith(f"{other}: {sentence}")
    assert (collection.num_results, _bits(collection)) == (1, expected)


def _set(**changes):
    """Puts other arrays in the place of the update and the weight."""

    def change(leaves):
        for path, value in ((_UPDATE, changes.get("update")), (_WEIGHT, changes.get("weight"))):
            if value is not None:
                leaves[path] = value(leaves[path])

    return change


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["update", "weight"])
def test_numbers_that_are_none_are_refused(chain, honest, where, value):
    def spoil(array):
        array[(0,) * array.ndim] = value
        return array

    _require_refused(
        chain, honest, "its result must be finite numbers", change=_set(**{where: spoil})
    )


@pytest.mark.parametrize("shape", [(3, 2), (2, 4), (6,), (2, 3, 1), ()])
def test_another_shape_is_refused(chain, honest, shape):
    sentence = f"its result's {_UPDATE} must have the shape [2, 3], found"
    change = _set(update=lambda array: np.zeros(shape, np.float32))
    _require_refused(chain, honest, sentence, change=change)


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.float16, np.bool_])
def test_another_type_is_refused(chain, honest, dtype):
    sentence = f"its result's {_UPDATE} must be float32, found another type"
    _require_refused(chain, honest, sentence, change=_set(update=lambda array: array.astype(dtype)))


@pytest.mark.parametrize("broken", _BROKEN_ANSWERS)
def test_bytes_that_are_no_result_are_refused(chain, honest, broken):
    _require_refused(chain, honest, "its result", answer=_BROKEN_ANSWERS[broken])


@pytest.mark.parametrize("factor", [100.0, 1e15])
def test_a_norm_beyond_the_clipping_that_its_own_work_does_is_refused(chain, honest, factor):
    change = _set(update=lambda array: array * np.float32(factor))
    _require_refused(chain, honest, "its update must be within --update_clip_norm", change=change)


def test_an_update_that_weighs_nothing_must_be_nothing(chain, honest):
    sentence = "its update must be within --update_clip_norm"
    change = _set(weight=lambda array: np.zeros((), np.float32))
    _require_refused(chain, honest, sentence, change=change)


@pytest.mark.parametrize("weight", [-1.0, 1e30])
def test_a_weight_that_no_store_has_is_refused(chain, honest, weight):
    """It would take the others' weight away, up to a division by nothing, or overflow the sum."""
    change = _set(weight=lambda array: np.float32(weight))
    sentence = "its update must weigh 0 to 1e+09 examples, found"
    _require_refused(chain, honest, sentence, change=change)


def test_a_weight_is_a_stores_word_and_a_clipped_norm_bounds_what_it_moves(chain, honest, form):
    """What is not defended: a store that says a million examples outvotes the others."""

    def heavy(leaves):
        for path in leaves:
            if path.startswith("0/1/") or path == _WEIGHT:
                leaves[path] = leaves[path] * np.float32(1e6)

    chain.join("liar", change=heavy)
    collection = chain.collect("honest", "liar")
    assert collection.num_results == 2
    accumulated = form["report"].result
    weight = next(
        value.item()
        for leaf, value in zip(accumulated, collection.total, strict=True)
        if leaf.path == "2"
    )
    update = [
        value / weight
        for leaf, value in zip(accumulated, collection.total, strict=True)
        if leaf.path.startswith("1/")
    ]
    assert weight == 1e6 + 1
    assert np.sqrt(sum(np.sum(np.square(leaf)) for leaf in update)) <= _CLIP_NORM


def test_a_result_is_taken_once(around):
    headquarters = around.headquarters()
    with rogue_store(around, headquarters) as rogue:
        rogue.join()
        pending = headquarters.server.submit(ask(headquarters.next_link()))
        number = rogue.frame().header["number"]
        result = frame_bytes(Kind.RESULT, b"once", number=number, size=4)
        rogue.send(result)
        assert pending.result(TIMEOUT_S) == b"once"
        rogue.send(result)
        assert rogue.frame().header["reason"].startswith("A result must answer a call that has no")
        assert list(rogue.stream) == []
    assert "A result must answer a call" in headquarters.next_left()


def test_a_result_of_another_round_answers_nothing(around):
    """The answer of the last round's call comes in the place of this one's."""
    headquarters = around.headquarters()
    with rogue_store(around, headquarters) as rogue:
        rogue.join()
        link, numbers = headquarters.next_link(), []
        pending = headquarters.server.submit(ask(link))
        numbers.append(rogue.frame().header["number"])
        rogue.send(frame_bytes(Kind.RESULT, b"round 1", number=numbers[0], size=7))
        assert pending.result(TIMEOUT_S) == b"round 1"
        pending = headquarters.server.submit(ask(link))
        numbers.append(rogue.frame().header["number"])
        assert numbers[1] > numbers[0]
        rogue.send(frame_bytes(Kind.RESULT, b"round 1", number=numbers[0], size=7))
        with pytest.raises(LinkLost):
            pending.result(TIMEOUT_S)


def test_nobody_answers_for_another_store(around):
    headquarters = around.headquarters()
    with (
        rogue_store(around, headquarters, name="victim") as victim,
        rogue_store(around, headquarters, name="rogue") as rogue,
    ):
        victim.join()
        link = headquarters.next_link()
        pending = headquarters.server.submit(ask(link))
        number = victim.frame().header["number"]
        rogue.join()
        headquarters.next_link()
        rogue.send(frame_bytes(Kind.RESULT, b"mine", number=number, size=4))
        assert rogue.frame().header["reason"].startswith("A result must answer a call")
        assert not pending.done()
        victim.send(frame_bytes(Kind.RESULT, b"true", number=number, size=4))
        assert pending.result(TIMEOUT_S) == b"true"


def test_a_stores_certificate_signs_no_other(around):
    """A store makes itself an authority and another store's certificate out of its own."""
    headquarters = around.headquarters()
    signer = around.chain.store_tls("store-001")
    forged = around.chain.forged_tls("store-002", signer)
    store = around.store(headquarters.address, forged)
    assert store.handler.next_left()
    assert headquarters.joined.empty()


def test_a_certificate_without_its_key_is_nobodys(around):
    victim, own = (around.chain.store_tls(name) for name in ("victim", "own"))
    stolen = ClientTls(own.key, victim.chain, victim.server_ca)
    headquarters = around.headquarters()
    with grpc.secure_channel(headquarters.address, stolen.grpc_credentials()) as channel:
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/any/method")(b"", timeout=TIMEOUT_S)
    assert headquarters.joined.empty()


@pytest.fixture(scope="module")
def listeners(tmp_path_factory):
    """Ports of headquarters' link and of its listener for those who join, and what they take."""
    fleet = SmallFleet(tmp_path_factory.mktemp("fleet") / "fleet")
    listener = EnrolmentListener("localhost:0", fleet.office, on_event=print)
    with link_surroundings() as around:
        link, enrolment = around.headquarters().address, listener.start()
        yield {
            "link": (port_of(link), around.chain.store_tls().ssl_context()),
            "enrolment": (port_of(enrolment), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
        }
    listener.close()


@pytest.mark.parametrize("which", ["link", "enrolment"])
def test_an_older_tls_is_not_spoken(listeners, which):
    port, context = listeners[which]
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL itself would not offer the older ones
    context.minimum_version = ssl.TLSVersion.TLSv1

    def shake_hands(most):
        context.maximum_version = most
        with socket.create_connection(("localhost", port), TIMEOUT_S) as connection:
            with context.wrap_socket(connection, server_hostname="localhost") as shaken:
                return shaken.version()

    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            shake_hands(version)
    assert shake_hands(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"  # so it was the version
