"""Joining and renewing over real TLS, and what a hostile network can make of it: nothing."""

import contextlib
import json
import queue
import socket
import ssl
import threading

import pytest

from tests.integration.small_proxies import ConnectProxy, closing
from tests.transport.small_fleet import DAY, HOUR, SmallFleet, request_for
from tff_retail.transport.enrolment_client import EnrolmentClient
from tff_retail.transport.enrolment_listener import EnrolmentLimits, EnrolmentListener
from tff_retail.transport.enrolment_refused import EnrolmentRefused
from tff_retail.transport.enrolment_requests import MAX_LINE_BYTES
from tff_retail.transport.proxy_settings import ProxySettings
from tff_retail.transport.store_admittance import revoke_store, want_renewal
from tff_retail.transport.store_enrolment import (
    install_certificate,
    join_fleet,
    renew_certificate,
    renew_if_due,
    write_request,
)
from tff_retail.transport.store_identity import StoreIdentity
from tff_retail.transport.tls import trusting_context

_TIMEOUT_S = 20.0


class _Served(SmallFleet):
    """A fleet whose enrolment listener runs."""

    def __init__(self, path, **limits):
        super().__init__(path)
        self.events: queue.Queue[str] = queue.Queue()
        self._listener = EnrolmentListener(
            "localhost:0",
            self.office,
            on_event=self.events.put,
            limits=EnrolmentLimits(**limits),
        )
        self.address = self._listener.start()

    def token_word(self, name="store-001", life=HOUR) -> str:
        return self.token(name, life, self.address).encode()

    def join_at(self, state_dir, name="store-001") -> StoreIdentity:
        return join_fleet(self.token_word(name), state_dir=state_dir)

    def connect(self) -> socket.socket:
        host, port = self.address.split(":")
        return socket.create_connection((host, int(port)), _TIMEOUT_S)

    def talk(self) -> ssl.SSLSocket:
        root = (self.folder.path / "root" / "root.crt").read_bytes()
        return trusting_context(root).wrap_socket(self.connect(), server_hostname="localhost")

    def close(self):
        self._listener.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def served(tmp_path):
    fleet = _Served(tmp_path / "fleet")
    yield fleet
    fleet.close()


def _code(call, *arguments, **options) -> str:
    with pytest.raises(EnrolmentRefused) as refused:
        call(*arguments, **options)
    return refused.value.code


def _read_all(connection) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := connection.recv(4096):
            found += piece
    return found


def test_a_store_joins_with_its_token(served, tmp_path):
    identity = served.join_at(tmp_path / "s", "店 七")
    assert identity == StoreIdentity.load(tmp_path / "s")
    assert (identity.name, identity.chain_id) == ("店 七", served.folder.chain_id)
    assert identity.enrolment_address == served.address
    assert served.folder.is_welcome(identity.certificate) is None
    assert served.events.get(timeout=_TIMEOUT_S).startswith("店 七 joined from ")


def test_the_listener_leaves_no_thread(tmp_path):
    before = set(threading.enumerate())
    fleet = _Served(tmp_path / "fleet")
    with fleet.connect():
        fleet.close()
    assert {t for t in threading.enumerate() if t.name == "enrolment"} <= before
    with pytest.raises(OSError):
        fleet.connect()


def test_an_answer_on_its_way_survives_the_end(tmp_path):
    """Else the token would be used up, and the store without a certificate."""
    fleet = _Served(tmp_path / "fleet")
    join, closing_thread = fleet.office.join, threading.Thread(target=fleet.close)

    def join_while_closing(*arguments):
        issued = join(*arguments)
        closing_thread.start()
        assert fleet._listener._is_closing.wait(_TIMEOUT_S)
        return issued

    fleet.office.join = join_while_closing
    identity = fleet.join_at(tmp_path / "s")
    closing_thread.join(_TIMEOUT_S)
    assert not closing_thread.is_alive()
    assert fleet.folder.is_welcome(identity.certificate) is None


def test_a_token_is_good_once(served, tmp_path):
    word = served.token_word()
    join_fleet(word, state_dir=tmp_path / "s")
    assert _code(join_fleet, word, state_dir=tmp_path / "s") == "token_used"
    assert _code(join_fleet, word, state_dir=tmp_path / "thief") == "token_used"
    assert StoreIdentity.load(tmp_path / "s").name == "store-001"


def test_a_token_ends(served, tmp_path):
    word = served.token_word()
    served.clock.move(2 * HOUR)
    # The answer has headquarters' clock, which this test moved.
    assert _code(join_fleet, word, state_dir=tmp_path / "s") == "clock"
    served.clock.move(-2 * HOUR)
    word = served.token_word(life=-HOUR)
    assert _code(join_fleet, word, state_dir=tmp_path / "s") == "token_expired"


def test_a_wrong_secret_is_no_token(served, tmp_path):
    first, second = served.token("a", HOUR, served.address), served.token("b", HOUR)
    forged = type(first)(first.identifier, second.secret, first.fingerprint, first.address, "a")
    assert _code(join_fleet, forged.encode(), state_dir=tmp_path / "s") == "token_unknown"


def test_another_authority_learns_no_secret(served, tmp_path):
    """A server in between shows certificates of its own: the token's fingerprint is not theirs."""
    thief = _Served(tmp_path / "thief")
    try:
        token = served.token("a", HOUR, thief.address)
        assert _code(join_fleet, token.encode(), state_dir=tmp_path / "s") == "other_authority"
        assert thief.events.empty()
    finally:
        thief.close()


def test_a_thief_who_shows_the_true_root_has_not_its_key(served, tmp_path):
    """The root certificate is public: who replays it still needs a certificate that it signed."""
    thief = _Served(tmp_path / "thief")
    thief.folder.root_certificate = served.folder.root_certificate
    try:
        token = served.token("a", HOUR, thief.address)
        assert _code(join_fleet, token.encode(), state_dir=tmp_path / "s") == "tls"
        assert thief.events.empty()
    finally:
        thief.close()


def test_headquarters_must_have_the_name_that_is_dialled(served, tmp_path):
    port = served.address.rpartition(":")[2]
    word = served.token("a", HOUR, f"localhost.localdomain:{port}").encode()
    root = (served.folder.path / "root" / "root.crt").read_bytes()
    with served.connect() as plain, pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        trusting_context(root).wrap_socket(plain, server_hostname="hq.example.com")
    assert word.startswith("tffr1.")


def test_nobody_there_is_one_sentence(served, tmp_path):
    word = served.token_word()
    served.close()
    with pytest.raises(EnrolmentRefused, match="can't be reached") as refused:
        join_fleet(word, state_dir=tmp_path / "s")
    assert refused.value.code == "unreachable"


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\n",
        b'{"kind": "shell"}\n',
        b"[" * 10_000 + b"\n",
        b'{"kind": "renew", "request": ""}\n',
        b"x" * (MAX_LINE_BYTES + 1) + b"\n",
    ],
)
def test_what_is_no_request_is_answered_and_ends(served, tmp_path, line):
    with served.talk() as connection:
        connection.sendall(line)
        answer = json.loads(_read_all(connection))
    assert set(answer) == {"error", "sentence"}
    served.join_at(tmp_path / "s")


def test_a_flood_in_one_line_is_cut_off(served, tmp_path):
    with served.talk() as connection, contextlib.suppress(OSError):
        for _ in range(1000):
            connection.sendall(b"x" * 65536)
    served.join_at(tmp_path / "s")


def test_plaintext_gets_nothing(served, tmp_path):
    with served.connect() as connection:
        connection.sendall(b'{"kind": "authority"}\n')
        assert b"BEGIN" not in _read_all(connection)
    served.join_at(tmp_path / "s")


def test_who_sends_slowly_holds_a_place_for_a_bounded_time(tmp_path):
    fleet = _Served(tmp_path / "fleet", deadline_s=1.0, max_connections=3)
    try:
        with contextlib.ExitStack() as stack:
            silent = [stack.enter_context(fleet.connect()) for _ in range(2)]
            slow = stack.enter_context(fleet.talk())
            slow.sendall(b'{"kind":')
            # All places are taken: the store waits for one, and gets it.
            fleet.join_at(tmp_path / "s")
            assert [_read_all(connection) for connection in (*silent, slow)] == [b""] * 3
    finally:
        fleet.close()


def test_a_store_renews_with_its_certificate(served, tmp_path):
    old = served.join_at(tmp_path / "s")
    new = renew_certificate(old)
    assert new == StoreIdentity.load(tmp_path / "s")
    assert new.certificate.fingerprint != old.certificate.fingerprint
    assert new.client_tls().key != old.client_tls().key
    assert [served.folder.is_welcome(i.certificate) for i in (old, new)] == [None, None]


def test_renewal_is_due_in_the_last_third_or_when_it_is_wanted(served, tmp_path):
    old = served.join_at(tmp_path / "s")
    start = served.clock.now
    assert renew_if_due(tmp_path / "s", clock=lambda: start + 59 * DAY) is None
    want_renewal(served.folder, "store-001")
    wanted = renew_if_due(tmp_path / "s")
    assert wanted is not None and wanted.certificate != old.certificate
    assert renew_if_due(tmp_path / "s") is None
    due = renew_if_due(tmp_path / "s", clock=lambda: start + 61 * DAY)
    assert due is not None and due.certificate != wanted.certificate
    with pytest.raises(EnrolmentRefused, match="join again") as refused:
        renew_if_due(tmp_path / "s", clock=lambda: start + 91 * DAY)
    assert refused.value.code == "expired"


def test_a_revoked_store_renews_nothing_and_can_be_invited_again(served, tmp_path):
    identity = served.join_at(tmp_path / "s")
    revoke_store(served.folder, "store-001")
    assert _code(renew_certificate, identity) == "not_welcome"
    again = served.join_at(tmp_path / "s")
    assert served.folder.is_welcome(again.certificate) is None
    assert served.folder.is_welcome(identity.certificate) is not None


def _renew_as(served, identity) -> str:
    """Asks `served` to renew, with a certificate that may be none of its own."""
    root = (served.folder.path / "root" / "root.crt").read_bytes()
    tls = identity.client_tls()
    context = type(tls)(tls.key, tls.chain, root).ssl_context()
    request = {"kind": "renew", "request": request_for(identity.name).decode()}
    client = EnrolmentClient(served.address, ProxySettings())
    with pytest.raises(EnrolmentRefused) as refused:
        client.ask(request, context)
    assert refused.value.code == "tls"
    return refused.value.sentence


def test_a_certificate_of_another_authority_is_refused(served, tmp_path):
    other = _Served(tmp_path / "other")
    try:
        stranger = other.join_at(tmp_path / "s")
    finally:
        other.close()
    assert "does not accept this store's certificate" in _renew_as(served, stranger)


def test_a_certificate_that_ended_is_refused_by_tls(served, tmp_path):
    request, approved = tmp_path / "request", tmp_path / "approved"
    write_request("store-001", state_dir=tmp_path / "s", path=request)
    served.clock.move(-100 * DAY)
    issued = served.office.approve(request.read_bytes())
    served.clock.move(100 * DAY)
    approved.write_text(json.dumps(issued.to_json()))
    identity = install_certificate(approved, state_dir=tmp_path / "s")
    assert "CERTIFICATE_EXPIRED" in _renew_as(served, identity)


def test_the_listener_shows_headquarters_new_certificate(served):
    def shown() -> bytes:
        with served.talk() as connection:
            found = connection.getpeercert(binary_form=True)
        assert found is not None
        return found

    old = shown()
    served.clock.move(340 * DAY)
    served.office.renew_headquarters_if_due()
    served.clock.move(-340 * DAY)
    # Good only from then on, and this test looks at it now: so without checking.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(served.connect()) as connection:
        assert connection.getpeercert(binary_form=True) != old


def test_joining_goes_through_the_proxy(served, tmp_path, monkeypatch):
    with closing(ConnectProxy(credentials="user:päss")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%C3%A4ss@localhost:{proxy.port}")
        served.join_at(tmp_path / "s")
        assert [first for first, _ in proxy.asked] == [f"CONNECT {served.address} HTTP/1.1"] * 2
        monkeypatch.setenv("NO_PROXY", "localhost")
        served.join_at(tmp_path / "t", "b")
        assert len(proxy.asked) == 2


def test_a_proxy_that_refuses_is_named(served, tmp_path, monkeypatch):
    with closing(ConnectProxy(status="403 Forbidden")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{proxy.port}")
        with pytest.raises(EnrolmentRefused, match="403 Forbidden") as refused:
            served.join_at(tmp_path / "s")
    assert refused.value.code == "unreachable"
