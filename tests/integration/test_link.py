"""The store link over real TLS on loopback: calls, faults of the network, certificates."""

import asyncio
import concurrent.futures
import gc
import os
import threading

import psutil
import pytest

from tests.integration.link_stores import HELLO, TIMEOUT_S, Chain, ask, link_surroundings, port_of
from tests.integration.small_proxies import Relay, closing
from tff_retail.config.configuration_error import ConfigurationError
from tff_retail.transport.link_faults import CallFailed, LinkLost
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.link_server import LinkServer

_MIB = 1024 * 1024


def test_a_store_says_who_it_is_and_learns_the_run(connected):
    _, store, link = connected
    assert (link.name, link.hello, link.manifest) == ("store-001", HELLO, "")
    assert store.handler.runs.get(timeout=TIMEOUT_S) == "run-7"


@pytest.mark.parametrize("size", [0, 1, _MIB, _MIB + 1, 20 * _MIB + 7])
def test_bodies_of_any_size_go_both_ways(connected, size):
    headquarters, _, link = connected
    body = os.urandom(size)
    assert headquarters.call(link, "echo", body) == body


def test_many_buffers_arrive_as_one_body(connected):
    headquarters, _, link = connected
    pieces = [b"prefix", memoryview(bytes(3 * _MIB)), bytearray(b"end")]

    async def ask():
        async with link.call("echo", pieces) as answer:
            return bytes(answer)

    assert headquarters.do(ask()) == b"".join(pieces)


def test_stores_answer_at_the_same_time(around):
    headquarters = around.headquarters()
    names = [f"store-{number}" for number in range(5)]
    for name in names:
        around.store(headquarters.address, around.chain.store_tls(name))
    links = {link.name: link for link in (headquarters.next_link() for _ in names)}
    bodies = {name: os.urandom(5 * _MIB) for name in names}

    async def ask(name):
        async with links[name].call("echo", [bodies[name]]) as answer:
            return bytes(answer)

    async def ask_all():
        return await asyncio.gather(*map(ask, names))

    assert headquarters.do(ask_all()) == list(bodies.values())


def test_a_small_call_overtakes_a_large_one(connected):
    headquarters, _, link = connected
    finished = []

    async def ask(body):
        async with link.call("echo", [body]) as answer:
            finished.append(len(answer))

    async def ask_both():
        large = asyncio.create_task(ask(bytes(50 * _MIB)))
        await asyncio.sleep(0)  # the large one is queued first
        await ask(b"small")
        await large

    headquarters.do(ask_both())
    assert finished == [5, 50 * _MIB]


def test_a_failure_has_its_code_and_reason(connected):
    headquarters, store, link = connected

    async def refuse(body):
        raise CallFailed(7, "rule `egress` does not allow it")

    store.handler.refuse = refuse
    with pytest.raises(CallFailed, match="^rule `egress` does not allow it$") as caught:
        headquarters.call(link, "refuse")
    assert caught.value.code == 7


def test_an_error_of_the_store_tells_nothing_of_itself(connected):
    headquarters, store, link = connected

    async def break_down(body):
        raise FileNotFoundError("/photographs/secret.jpg")

    store.handler.break_down = break_down
    with pytest.raises(CallFailed) as caught:
        headquarters.call(link, "break_down")
    assert caught.value.code == 13
    assert "secret" not in caught.value.reason
    assert headquarters.call(link, "echo", b"on") == b"on"


def test_a_call_that_is_given_up_is_cancelled_at_the_store(connected):
    headquarters, store, link = connected
    waiting = headquarters.server.submit(ask(link, "wait"))
    assert store.handler.calls.get(timeout=TIMEOUT_S) == "wait"
    waiting.cancel()
    assert store.handler.cancelled.get(timeout=TIMEOUT_S) == "wait"
    assert headquarters.call(link, "echo", b"on") == b"on"


def test_a_result_given_up_in_mid_body_is_dropped(around):
    # One result is held and fills the budget, so the second waits in mid-body when it is given up.
    headquarters = around.headquarters(max_receiving_bytes=8 * _MIB)
    store = around.store(headquarters.address)
    link = headquarters.next_link()
    release = {}

    async def hold():
        release["event"] = asyncio.Event()
        async with link.call("zeros", [b"%d" % (8 * _MIB)]) as answer:
            held.set_result(len(answer))
            await release["event"].wait()

    held: concurrent.futures.Future[int] = concurrent.futures.Future()
    holding = headquarters.server.submit(hold())
    assert held.result(TIMEOUT_S) == 8 * _MIB
    waiting = headquarters.server.submit(ask(link, "zeros", b"%d" % (8 * _MIB)))
    assert [store.handler.calls.get(timeout=TIMEOUT_S) for _ in range(2)] == ["zeros"] * 2
    waiting.cancel()
    assert headquarters.call(link, "echo", b"on") == b"on"
    headquarters.server.submit(_set(release["event"]))
    holding.result(TIMEOUT_S)


async def _set(event):
    event.set()


def test_results_wait_until_there_is_room(around):
    headquarters = around.headquarters(max_receiving_bytes=10 * _MIB)
    names = [f"store-{number}" for number in range(6)]
    for name in names:
        around.store(headquarters.address, around.chain.store_tls(name))
    links = [headquarters.next_link() for _ in names]
    budget = headquarters.server._surroundings.budget
    seen = []

    async def ask(link):
        async with link.call("zeros", [b"%d" % (4 * _MIB)]) as answer:
            seen.append(budget.held_bytes)
            await asyncio.sleep(0)  # others get their turn while this one is held
            assert len(answer) == 4 * _MIB

    async def ask_all():
        await asyncio.gather(*map(ask, links))

    headquarters.do(ask_all())
    assert len(seen) == 6 and max(seen) <= 8 * _MIB
    assert budget.held_bytes == 0


def test_a_result_larger_than_all_room_is_let_in_alone(around):
    headquarters = around.headquarters(max_receiving_bytes=1000)
    around.store(headquarters.address)
    link = headquarters.next_link()
    assert headquarters.call(link, "zeros", b"3000000") == bytes(3_000_000)


def test_memory_stays_bounded_while_results_wait(around):
    headquarters = around.headquarters(max_receiving_bytes=40 * _MIB)
    names = [f"store-{number}" for number in range(4)]
    for name in names:
        around.store(headquarters.address, around.chain.store_tls(name))
    links = [headquarters.next_link() for _ in names]
    peaks = []

    async def ask(link):
        async with link.call("zeros", [b"%d" % (40 * _MIB)]) as answer:
            assert len(answer) == 40 * _MIB
            peaks.append(psutil.Process().memory_info().rss)

    async def ask_all():
        await asyncio.gather(*map(ask, links))

    before = psutil.Process().memory_info().rss
    headquarters.do(ask_all())
    # The stores are in this process too: 40 MiB each. Unbounded, headquarters would hold 160 more.
    assert max(peaks) - before < (4 * 40 + 2 * 40 + 40) * _MIB


def test_a_connection_cut_in_mid_body_is_noticed_and_made_again(around):
    headquarters = around.headquarters()
    with closing(Relay(port_of(headquarters.address))) as relay:
        store = around.store(f"localhost:{relay.port}")
        link = headquarters.next_link()
        relay.cut_after = relay.moved + 10 * _MIB
        with pytest.raises(LinkLost, match="^store-001 is not connected any more: the connection"):
            headquarters.call(link, "echo", bytes(30 * _MIB))
        assert headquarters.next_left() == "the connection was lost"
        assert store.handler.next_left() == "The connection to headquarters was lost"
        again = headquarters.next_link()
        assert headquarters.call(again, "echo", b"on") == b"on"
        with pytest.raises(LinkLost):
            headquarters.call(link, "echo", b"the old link stays lost")
        store.stop()


def test_a_half_open_connection_is_found_by_pings(around):
    limits = LinkLimits(keepalive_s=0.5)
    headquarters = around.headquarters(limits=limits)
    with closing(Relay(port_of(headquarters.address))) as relay:
        store = around.store(f"localhost:{relay.port}", limits=limits)
        link = headquarters.next_link()
        assert headquarters.call(link, "echo", b"on") == b"on"
        relay.passes.clear()
        with pytest.raises(LinkLost):
            headquarters.call(link, "wait", timeout_s=10)
        assert store.handler.next_left() == "The connection to headquarters was lost"
        relay.passes.set()
        assert headquarters.call(headquarters.next_link(), "echo", b"on") == b"on"
        store.stop()


def test_a_newer_connection_takes_the_place_of_an_older_one(connected, around):
    headquarters, store, link = connected
    newer = around.store(headquarters.address)
    second = headquarters.next_link()
    store.stop()
    reason = "a newer connection of the same store took its place"
    assert headquarters.next_left() == reason
    assert link.left_because == reason
    assert newer.handler.left_queue.empty()
    assert headquarters.call(second, "echo", b"on") == b"on"


def test_stores_come_back_to_a_server_that_starts_anew(around):
    tls = around.chain.server_tls()
    headquarters = around.headquarters(tls)
    store = around.store(headquarters.address)
    headquarters.next_link()
    headquarters.server.close()
    assert store.handler.next_left() == "Headquarters said goodbye: headquarters ended"
    again = LinkServer(
        headquarters.address,
        tls,
        is_welcome=lambda certificate: None,
        on_joined=headquarters.joined.put,
        on_left=lambda link, reason: None,
    )
    try:
        again.start()
        assert headquarters.next_link().name == "store-001"
        store.stop()
    finally:
        again.close()


def test_a_store_that_stops_says_goodbye(connected):
    headquarters, store, _ = connected
    store.stop("it is being updated")
    assert headquarters.next_left() == "it said goodbye: it is being updated"


def test_a_port_that_is_taken_is_a_sentence(connected):
    headquarters, _, _ = connected
    with pytest.raises(ConfigurationError, match="^--listen_address must be a free address"):
        LinkServer(
            headquarters.address,
            Chain().server_tls(),
            is_welcome=lambda certificate: None,
            on_joined=lambda link: None,
            on_left=lambda link, reason: None,
        ).start()


def test_nothing_is_left_behind():
    process = psutil.Process()
    before = {thread.ident for thread in threading.enumerate()}
    with link_surroundings() as around:
        headquarters = around.headquarters()
        around.store(headquarters.address)
        headquarters.call(headquarters.next_link(), "echo", bytes(_MIB))
    del around, headquarters
    gc.collect()
    ports = [one for one in process.net_connections() if one.status in ("LISTEN", "ESTABLISHED")]
    assert ports == []
    left = [t.name for t in threading.enumerate() if t.ident not in before]
    assert left == []
