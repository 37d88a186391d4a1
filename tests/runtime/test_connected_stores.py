import asyncio
import dataclasses
import threading

import pytest

from tff_retail.runtime.connected_stores import ConnectedStores
from tff_retail.transport.loop_thread import LoopThread


@dataclasses.dataclass(eq=False)
class _Link:
    name: str
    manifest: str = "agreed"


@pytest.fixture
def loop():
    thread = LoopThread("connected stores")
    yield thread
    thread.close()


def test_stores_are_named_in_order_whenever_they_came():
    stores = ConnectedStores()
    for name in ("south", "east", "north"):
        stores.add(_Link(name))
    assert stores.names() == ["east", "north", "south"]


def test_a_newer_link_takes_the_place_of_an_older_one_which_may_end_later():
    stores = ConnectedStores()
    old, new = _Link("north"), _Link("north")
    stores.add(old)
    stores.add(new)
    stores.remove(old)
    assert stores.find("north") is new
    stores.remove(new)
    assert (stores.find("north"), stores.names()) == (None, [])


def test_a_store_that_declined_later_is_not_there():
    stores, link = ConnectedStores(), _Link("north")
    stores.add(link)
    link.manifest = ""
    assert (stores.find("north"), stores.names()) == (None, [])


def test_a_thread_waits_until_there_are_enough(loop):
    stores, told, has_looked = ConnectedStores(), [], threading.Event()

    def on_change(names):
        told.append(list(names))
        has_looked.set()

    async def come():
        await asyncio.to_thread(has_looked.wait)
        stores.add(_Link("north"))
        stores.add(_Link("south"))

    coming = loop.submit(come())
    assert stores.wait(lambda names: len(names) >= 2, within_s=30, on_change=on_change)
    coming.result()
    assert told[0] == []
    assert told[-1] == ["north", "south"]


def test_a_thread_gives_up_after_its_time():
    assert not ConnectedStores().wait(lambda names: bool(names), within_s=0.01)


def test_a_store_that_rests_is_waited_for_until_it_is_ready_again(loop):
    stores, link = ConnectedStores(), _Link("north")

    def wake():
        link.manifest = "agreed"
        stores.look_again()

    async def ask():
        assert not stores.is_resting("north")
        stores.add(link)
        assert not stores.is_resting("north")
        link.manifest = ""
        assert stores.is_resting("north")
        asyncio.get_running_loop().call_soon(wake)
        return await stores.link("north", within_s=30)

    assert loop.submit(ask()).result() is link


def test_a_link_that_was_lost_does_not_count(loop):
    stores, old, new = ConnectedStores(), _Link("north"), _Link("north")

    async def ask():
        stores.add(old)
        assert await stores.link("north", within_s=0) is old
        assert await stores.link("north", instead_of=old, within_s=0) is None
        asyncio.get_running_loop().call_soon(stores.add, new)
        return await stores.link("north", instead_of=old, within_s=30)

    assert loop.submit(ask()).result() is new
    assert not stores._waiting
