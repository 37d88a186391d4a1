"""Headquarters against a store with a good certificate that keeps to no rule."""

import asyncio
import concurrent.futures
import contextlib
import socket
import ssl

import grpc
import psutil
import pytest

from tests.integration.link_stores import HELLO, TIMEOUT_S, ask, port_of
from tests.integration.rogue_store import frame_bytes, rogue_store
from tests.integration.small_proxies import Relay, closing
from tff_retail.transport.link_faults import CallFailed, LinkLost
from tff_retail.transport.link_frames import Kind, encode_frame
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_stream import ATTEND

_MIB = 1024 * 1024


_DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"junk", "A frame must have at least 5 bytes, has 4"),
        (b"\x63\x00\x00\x00\x00", "A frame's kind must be in the table, found 99"),
        (frame_bytes(Kind.RESULT, number=1, size=0), "A result must answer a call that has no"),
        (frame_bytes(Kind.PART, number=1), "A part must belong to a body that is on its way"),
        (encode_frame(HELLO.to_frame()), "`hello` must not come from store while the link is"),
    ],
)
def test_whoever_breaks_a_rule_is_told_and_sent_away(around, message, reason):
    headquarters = around.headquarters()
    with rogue_store(around, headquarters) as rogue:
        rogue.join()
        rogue.send(message)
        goodbye = rogue.frame()
        assert goodbye.kind is Kind.GOODBYE and goodbye.header["reason"].startswith(reason)
        assert list(rogue.stream) == []
    assert headquarters.next_left().startswith(f"it broke a rule of the link: {reason}")


def test_a_flood_of_small_frames(around):
    headquarters = around.headquarters(limits=LinkLimits(frame_burst=50, frames_per_second=1))
    with rogue_store(around, headquarters) as rogue:
        rogue.join()
        rogue.send(*[frame_bytes(Kind.READY, manifest=_DIGEST, examples={})] * 100)
        assert rogue.frame().header["reason"] == "At most 1 frames a second may come"


def test_a_message_larger_than_a_frame(around):
    headquarters = around.headquarters()
    with rogue_store(around, headquarters) as rogue:
        rogue.join()
        rogue.send(bytes(8 * _MIB))
        with pytest.raises(grpc.RpcError) as caught:
            list(rogue.stream)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert headquarters.next_left() == "the connection was lost"


def test_a_compressed_message_is_not_inflated(around):
    headquarters = around.headquarters()
    with rogue_store(around, headquarters, compression=grpc.Compression.Gzip) as rogue:
        # 1,000 bytes that would be a megabyte.
        rogue.send(frame_bytes(Kind.GOODBYE, reason="x" * 400) + bytes(_MIB))
        goodbye = rogue.frame()
    assert goodbye.header["reason"] == "A frame's kind must be in the table, found 31"


def test_who_does_not_say_hello_is_sent_away(around):
    headquarters = around.headquarters(limits=LinkLimits(hello_s=0.2))
    with rogue_store(around, headquarters) as rogue:
        refused = rogue.frame()
        assert refused.header == {
            "code": "hello",
            "sentence": "A store must say hello within 0.2 s",
        }
        assert list(rogue.stream) == []
    assert headquarters.joined.empty()


def test_who_does_not_finish_the_handshake_is_sent_away(around):
    headquarters = around.headquarters(limits=LinkLimits(hello_s=0.3))
    host, _, port = headquarters.address.rpartition(":")
    with socket.create_connection((host, int(port)), TIMEOUT_S) as connection:
        connection.sendall(b"\x16\x03\x01")  # the first bytes of a TLS record, and no more
        assert connection.recv(100) == b""


def test_without_a_certificate_there_is_no_stream(around):
    headquarters = around.headquarters()
    context = ssl.create_default_context(cadata=around.chain.root.decode())
    context.set_alpn_protocols(["h2"])
    host, _, port = headquarters.address.rpartition(":")
    with socket.create_connection((host, int(port)), TIMEOUT_S) as connection:
        with pytest.raises(OSError):  # an alert or a reset
            with context.wrap_socket(connection, server_hostname=host) as shaken:
                if not shaken.recv(1):
                    raise ConnectionResetError


def test_plain_text_gets_no_answer(around):
    headquarters = around.headquarters()
    with grpc.insecure_channel(headquarters.address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            list(channel.stream_stream(ATTEND)(iter([encode_frame(HELLO.to_frame())])))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert headquarters.joined.empty()


def test_a_result_that_never_ends_is_ended_by_its_caller(around):
    headquarters = around.headquarters(max_receiving_bytes=10 * _MIB)
    with rogue_store(around, headquarters) as rogue:
        rogue.join()
        link = headquarters.next_link()
        pending = headquarters.server.submit(ask(link))
        call = rogue.frame()
        number = call.header["number"]
        rogue.begin_result(number, 10 * _MIB)
        honest = around.store(headquarters.address, around.chain.store_tls("honest"))
        other = headquarters.next_link()
        waiting = headquarters.server.submit(ask(other, "zeros", b"%d" % (5 * _MIB)))
        assert honest.handler.calls.get(timeout=TIMEOUT_S) == "zeros"
        pending.cancel()
        assert len(waiting.result(TIMEOUT_S)) == 5 * _MIB
        cancel = rogue.frame()
        assert (cancel.kind, cancel.header["number"]) == (Kind.CANCEL, number)


def test_cancelled_calls_that_are_never_answered_run_out(around):
    headquarters = around.headquarters(limits=LinkLimits(max_calls=3))
    with rogue_store(around, headquarters) as rogue:
        rogue.join()
        link = headquarters.next_link()
        for _ in range(3):
            pending = headquarters.server.submit(ask(link))
            assert rogue.frame().kind is Kind.CALL
            pending.cancel()
            assert rogue.frame().kind is Kind.CANCEL
        with pytest.raises(CallFailed, match="^3 calls to store-001 have no answer yet$"):
            headquarters.do(ask(link))


def test_a_store_that_reads_nothing_holds_nobody_up(around):
    headquarters = around.headquarters()
    with closing(Relay(port_of(headquarters.address))) as relay:
        slow = around.store(f"localhost:{relay.port}", around.chain.store_tls("slow"))
        slow_link = headquarters.next_link()
        assert headquarters.call(slow_link, "echo", b"on") == b"on"
        around.store(headquarters.address, around.chain.store_tls("fast"))
        fast_link = headquarters.next_link()
        relay.passes.clear()
        body = bytes(40 * _MIB)
        pending = headquarters.server.submit(ask(slow_link, body=body))
        for _ in range(3):
            assert headquarters.call(fast_link, "echo", body) == body
        assert not pending.done()
        relay.passes.set()
        assert pending.result(TIMEOUT_S) == body
        slow.stop()


@pytest.mark.parametrize(
    ("stores", "part"), [(0, _MIB), (1, _MIB), (4, _MIB), (8, _MIB // 2), (5000, _MIB // 32)]
)
def test_parts_are_smaller_the_more_stores_there_are(around, stores, part):
    server = around.headquarters().server
    server._links = {str(number): None for number in range(stores)}
    assert server._part_bytes() == part
    server._links = {}


def test_a_call_given_up_in_mid_body_is_not_sent_on(around):
    headquarters = around.headquarters()
    with closing(Relay(port_of(headquarters.address))) as relay:
        store = around.store(f"localhost:{relay.port}")
        link = headquarters.next_link()
        assert headquarters.call(link, "echo", b"on") == b"on"
        relay.passes.clear()
        pending = headquarters.server.submit(ask(link, body=bytes(200 * _MIB)))
        headquarters.do(_nothing())  # the call has begun
        pending.cancel()
        relay.passes.set()
        assert headquarters.call(link, "echo", b"on") == b"on"
        # What was on its way: the windows and buffers of gRPC and of the sockets.
        assert relay.moved < 60 * _MIB
        store.stop()


async def _nothing():
    pass


def test_results_that_wait_stay_at_their_stores(around):
    """While one result holds all room, the others' bytes stay where they are."""
    headquarters = around.headquarters(max_receiving_bytes=8 * _MIB)
    release: concurrent.futures.Future = concurrent.futures.Future()
    held: concurrent.futures.Future = concurrent.futures.Future()
    around.store(headquarters.address, around.chain.store_tls("first"))
    first = headquarters.next_link()

    async def hold():
        async with first.call("zeros", [b"%d" % (8 * _MIB)]):
            held.set_result(None)
            await asyncio.wrap_future(release)

    holding = headquarters.server.submit(hold())
    held.result(TIMEOUT_S)
    with contextlib.ExitStack() as stack:
        relays, stores, links, pending = [], [], [], []
        for number in range(3):
            relay = stack.enter_context(closing(Relay(int(headquarters.address.split(":")[1]))))
            tls = around.chain.store_tls(f"store-{number}")
            stores.append(around.store(f"localhost:{relay.port}", tls))
            relays.append(relay)
            links.append(headquarters.next_link())
            asking = ask(links[-1], "zeros", b"%d" % (8 * _MIB))
            pending.append(headquarters.server.submit(asking))
        assert [store.handler.calls.get(timeout=TIMEOUT_S) for store in stores] == ["zeros"] * 3
        # What is announced before this call's answer has arrived with it.
        assert [_echo(headquarters, link) for link in links] == [b"on"] * 3
        assert max(relay.moved for relay in relays) < 100_000
        release.set_result(None)
        holding.result(TIMEOUT_S)
        assert [len(one.result(TIMEOUT_S)) for one in pending] == [8 * _MIB] * 3
        for store in stores:
            store.stop()


def _echo(headquarters, link):
    return headquarters.call(link, "echo", b"on")


def test_a_link_that_is_lost_gives_its_room_back(around):
    headquarters = around.headquarters(max_receiving_bytes=10 * _MIB)
    with rogue_store(around, headquarters) as rogue:
        rogue.join()
        link = headquarters.next_link()
        pending = headquarters.server.submit(ask(link))
        number = rogue.frame().header["number"]
        rogue.begin_result(number, 10 * _MIB)
        rogue.send(b"junk")
        with pytest.raises(LinkLost):
            pending.result(TIMEOUT_S)
    assert headquarters.server._surroundings.budget.held_bytes == 0


def test_memory_of_a_declared_size(around):
    headquarters = around.headquarters(max_receiving_bytes=2**31)
    before = psutil.Process().memory_info().rss
    with rogue_store(around, headquarters) as rogue:
        rogue.join()
        pending = headquarters.server.submit(ask(headquarters.next_link()))
        number = rogue.frame().header["number"]
        rogue.begin_result(number, 2**31 - 1)
        pending.cancel()
        assert rogue.frame().kind is Kind.CANCEL
    assert psutil.Process().memory_info().rss - before < 100 * _MIB
