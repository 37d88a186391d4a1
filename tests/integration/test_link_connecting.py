"""Why a store does or does not get a link: versions, welcome, certificates, proxies, silence."""

import concurrent.futures
import socket
import time

import pytest

from tests.integration.link_stores import HELLO, TIMEOUT_S, Chain, ask, port_of
from tests.integration.small_proxies import ConnectProxy, Relay, closing
from tff_retail.transport.link_faults import LinkLost
from tff_retail.transport.link_hello import Hello
from tff_retail.transport.link_limits import LinkLimits
from tff_retail.transport.proxy_settings import ProxySettings

_MIB = 1024 * 1024
# A close is bounded, whoever does not listen; the bound is wide, for machines with much to do.
_BOUNDED_S = 30


def test_no_shared_version_is_said_in_one_sentence(around):
    headquarters = around.headquarters(versions=(2, 3))
    store = around.store(headquarters.address, hello=Hello(**{**vars(HELLO), "versions": (1,)}))
    sentence = (
        "Headquarters speaks version 2 or 3 of the store link and this store 1; install the same "
        "release of tff_retail on both"
    )
    assert store.handler.next_left() == f"Headquarters refused this store: {sentence}"
    assert headquarters.turned_away.get(timeout=TIMEOUT_S) == ("store-001", sentence)
    assert headquarters.joined.empty()


def test_the_highest_shared_version_is_chosen(around):
    headquarters = around.headquarters(versions=(1, 2))
    around.store(headquarters.address, hello=Hello(**{**vars(HELLO), "versions": (1, 2, 3)}))
    assert headquarters.next_link().hello.versions == (1, 2, 3)


def test_a_store_that_is_not_welcome_is_told_why(around):
    headquarters = around.headquarters()
    headquarters.refusals["store-001"] = "its certificate was revoked on 2026-11-01"
    store = around.store(headquarters.address)
    assert store.handler.next_left() == (
        "Headquarters refused this store: its certificate was revoked on 2026-11-01"
    )
    assert headquarters.joined.empty()


def test_a_store_that_nothing_is_asked_of_is_sent_away_soon_after_it_was_revoked(connected):
    headquarters, store, _ = connected
    headquarters.refusals["store-001"] = "its certificate was revoked"
    assert "its certificate was revoked" in store.handler.next_left()
    assert headquarters.next_left() == "it was refused: its certificate was revoked"


def test_a_store_revoked_between_two_calls_gets_no_second_one(connected):
    headquarters, store, link = connected
    assert headquarters.call(link, "echo", b"one") == b"one"
    headquarters.refusals["store-001"] = "its certificate was revoked"
    with pytest.raises(LinkLost, match="refused: its certificate was revoked"):
        headquarters.call(link, "echo", b"two")
    assert store.handler.calls.get(timeout=TIMEOUT_S) == "echo"
    assert "its certificate was revoked" in store.handler.next_left()
    assert headquarters.next_left() == "it was refused: its certificate was revoked"
    assert store.handler.calls.empty()


@pytest.mark.parametrize(
    ("server", "store", "sentence"),
    [
        ({"days": -366}, {}, "Headquarters' certificate has ended, or this machine's clock is"),
        ({"days": 1}, {}, "Headquarters' certificate is not valid yet: this machine's clock is"),
        ({"hosts": ("hq.example.com",)}, {}, "shows a certificate for another name than localhost"),
        ({}, {"days": -100}, "This store's certificate ended on "),
        ({}, {"days": 1}, "This store's certificate begins on "),
    ],
    ids=["ended", "not yet valid", "other name", "store's ended", "store's not yet valid"],
)
def test_why_no_connection_is_made(around, server, store, sentence):
    headquarters = around.headquarters(around.chain.server_tls(**server))
    dialling = around.store(headquarters.address, around.chain.store_tls(**store))
    assert sentence in dialling.handler.next_left()
    assert headquarters.joined.empty()


def test_a_store_of_another_chain_does_not_trust_headquarters(around):
    headquarters = around.headquarters()
    store = around.store(headquarters.address, Chain().store_tls())
    assert "shows a certificate of another authority" in store.handler.next_left()


def test_headquarters_does_not_trust_a_store_of_another_chain(around):
    headquarters = around.headquarters()
    forged = Chain().store_tls(root=around.chain.root)
    store = around.store(headquarters.address, forged)
    assert "turned this store's certificate away" in store.handler.next_left()
    assert headquarters.joined.empty()


def test_nobody_listens(around):
    with closing(ConnectProxy()) as other:
        address = f"localhost:{other.port}"
    store = around.store(address)
    assert store.handler.next_left() == (
        f"Can't reach headquarters: nothing listens at {address}; check --server_address, or wait "
        "until it is up"
    )


def test_a_server_that_never_answers(around):
    with socket.create_server(("localhost", 0)) as listening:
        address = f"localhost:{listening.getsockname()[1]}"
        store = around.store(address, limits=LinkLimits(hello_s=0.3))
        assert store.handler.next_left() == f"{address} does not finish the TLS handshake"


def test_a_server_that_speaks_no_tls(around):
    with closing(ConnectProxy(status="400 Bad Request")) as web:
        store = around.store(f"localhost:{web.port}", limits=LinkLimits(hello_s=0.3))
        reason = store.handler.next_left()
        store.stop()
    assert reason.startswith(f"localhost:{web.port} does not ")


def test_both_ends_close_while_the_other_does_not_listen(around):
    limits = LinkLimits(farewell_s=0.3)
    headquarters = around.headquarters(limits=limits)
    with closing(Relay(port_of(headquarters.address))) as relay:
        store = around.store(f"localhost:{relay.port}", limits=limits)
        link = headquarters.next_link()
        assert headquarters.call(link, "echo", b"on") == b"on"
        relay.passes.clear()
        pending = headquarters.server.submit(ask(link, "echo", bytes(30 * _MIB)))
        began = time.monotonic()
        headquarters.server.close()
        store.stop()
        assert time.monotonic() - began < _BOUNDED_S
        with pytest.raises((LinkLost, concurrent.futures.CancelledError)):
            pending.result(TIMEOUT_S)


def test_a_mistake_of_the_stores_program_ends_one_connection_and_no_more(around):
    headquarters = around.headquarters()
    store = around.store(headquarters.address)

    async def mistaken(run, round_num):
        raise OverflowError("something that headquarters said")

    store.handler.take_acknowledgement = mistaken
    headquarters.do(headquarters.next_link().acknowledge("first", 1))
    assert store.handler.next_left() == (
        "This program failed at what headquarters sent: OverflowError"
    )
    assert headquarters.call(headquarters.next_link(), "echo", b"again") == b"again"


def test_an_unknown_name(around):
    store = around.store("no-such-host.invalid:8443")
    assert "the name no-such-host.invalid is not known" in store.handler.next_left()


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_is_gone_through_with_its_password(around, name):
    headquarters = around.headquarters()
    with closing(ConnectProxy(credentials="user:pass word")) as proxy:
        url = f"http://user:pass%20word@localhost:{proxy.port}"
        store = around.store(
            headquarters.address, proxies=ProxySettings.from_environment({name: url})
        )
        assert headquarters.call(headquarters.next_link(), "echo", bytes(_MIB)) == bytes(_MIB)
        store.stop()
    assert [first for first, _ in proxy.asked] == [f"CONNECT {headquarters.address} HTTP/1.1"]


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_an_exception_is_reached_directly(around, name):
    headquarters = around.headquarters()
    with closing(ConnectProxy()) as proxy:
        environment = {"HTTPS_PROXY": f"http://localhost:{proxy.port}", name: "localhost"}
        around.store(headquarters.address, proxies=ProxySettings.from_environment(environment))
        assert headquarters.call(headquarters.next_link(), "echo", b"on") == b"on"
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"credentials": "user:right"}, "it wants another user name and password"),
        ({"status": "403 Forbidden"}, "answered 'HTTP/1.1 403 Forbidden' for localhost:"),
    ],
)
def test_a_proxy_that_refuses_is_named_without_its_password(around, settings, sentence):
    headquarters = around.headquarters()
    with closing(ConnectProxy(**settings)) as proxy:
        credentials = "user:wrong@" if "credentials" in settings else ""
        url = f"http://{credentials}localhost:{proxy.port}"
        store = around.store(headquarters.address, proxies=ProxySettings(url))
        reason = store.handler.next_left()
        store.stop()
    assert sentence in reason
    assert "wrong" not in reason
