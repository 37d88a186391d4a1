"""A chain's certificates, a server and stores that connect to it, for tests of the store link."""

import asyncio
import collections
import concurrent.futures
import contextlib
import datetime
import queue
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tff_retail.transport.authority import Authority, certificate_pem
from tff_retail.transport.link_client import LinkClient
from tff_retail.transport.link_hello import Hello
from tff_retail.transport.link_server import LinkServer, StoreLink
from tff_retail.transport.loop_thread import LoopThread
from tff_retail.transport.peer_certificate import store_uri
from tff_retail.transport.private_key import key_pem, make_certificate_key
from tff_retail.transport.proxy_settings import ProxySettings
from tff_retail.transport.reconnect_delays import ReconnectDelays
from tff_retail.transport.tls import ClientTls, ServerTls

TIMEOUT_S = 20.0
HELLO = Hello(software="0.1.0", tensorflow="2.14.1", python="3.11.7")


class Chain:
    """A root, an intermediate, and whatever certificates a test needs."""

    def __init__(self):
        self.now = datetime.datetime.now(datetime.UTC)
        root, key = (
            Authority.make_root(make_certificate_key(), self.now - datetime.timedelta(days=400)),
            make_certificate_key(),
        )
        certificate = root.issue_intermediate(
            key.public_key(), self.now - datetime.timedelta(days=399)
        )
        self.root = certificate_pem(root.certificate)
        self._intermediate = Authority(certificate, key)

    def server_tls(self, *, hosts=("localhost",), days=0) -> ServerTls:
        """A server's certificate, issued `days` from now."""
        key, when = make_certificate_key(), self.now + datetime.timedelta(days=days)
        certificate = self._intermediate.issue_server(key.public_key(), hosts, when)
        return ServerTls(key_pem(key), self._chain(certificate), self.root)

    def store_tls(self, name="store-001", *, days=0, root=None) -> ClientTls:
        """A store's certificate, issued `days` from now."""
        key, when = make_certificate_key(), self.now + datetime.timedelta(days=days)
        certificate = self._intermediate.issue_store(key.public_key(), name, when)
        return ClientTls(key_pem(key), self._chain(certificate), root or self.root)

    def forged_tls(self, name: str, signer: ClientTls) -> ClientTls:
        """A store's certificate that another store has signed with its own."""
        own = x509.load_pem_x509_certificates(signer.chain)
        signing = serialization.load_pem_private_key(signer.key, None)
        assert isinstance(signing, ec.EllipticCurvePrivateKey)
        key, now = make_certificate_key(), datetime.datetime.now(datetime.UTC)
        forged = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(own[0].subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([store_uri(name)]), critical=False)
            .sign(signing, hashes.SHA256())
        )
        return ClientTls(key_pem(key), certificate_pem(forged, *own), self.root)

    def _chain(self, certificate):
        return certificate_pem(certificate, self._intermediate.certificate)


class Headquarters:
    """A link server that notes who comes and goes."""

    def __init__(self, tls: ServerTls, **settings):
        self.joined: queue.Queue[StoreLink] = queue.Queue()
        self.left: queue.Queue[tuple[StoreLink, str]] = queue.Queue()
        self.reports: queue.Queue[tuple[str, Mapping[str, Any]]] = queue.Queue()
        self.refusals: dict[str, str] = {}
        self.standings: queue.Queue[tuple[str, str]] = queue.Queue()
        self.turned_away: queue.Queue[tuple[str, str]] = queue.Queue()
        self.heads: queue.Queue[tuple[str, Mapping[str, Any]]] = queue.Queue()
        self.server = LinkServer(
            "localhost:0",
            tls,
            is_welcome=lambda certificate: self.refusals.get(certificate.name),
            on_joined=self.joined.put,
            on_left=lambda link, reason: self.left.put((link, reason)),
            on_report=lambda link, report: self.reports.put((link.name, report)),
            on_standing=lambda link, sentence: self.standings.put((link.name, sentence)),
            on_refused=lambda link, sentence: self.turned_away.put((link.name, sentence)),
            on_head=lambda link, head: self.heads.put((link.name, head)),
            **settings,
        )
        self.address = self.server.start()

    def do(self, coroutine, timeout_s=TIMEOUT_S):
        """The result of a coroutine on the server's loop."""
        return self.server.submit(coroutine).result(timeout_s)

    def call(self, link, method, body=b"", timeout_s=TIMEOUT_S) -> bytes:
        """The answer of one call."""

        async def ask():
            async with link.call(method, [body]) as answer:
                return bytes(answer)

        return self.do(ask(), timeout_s)

    def next_link(self):
        """The next store that joins."""
        return self.joined.get(timeout=TIMEOUT_S)

    def next_left(self) -> str:
        """Why the next store that leaves is gone."""
        return self.left.get(timeout=TIMEOUT_S)[1]


class Handler:
    """A store that echoes, and notes what it is sent."""

    def __init__(self):
        self.left_queue, self.acknowledged, self.models = (queue.Queue() for _ in range(3))
        self.countersigned: queue.Queue[Mapping[str, Any]] = queue.Queue()
        self.calls: queue.Queue[str] = queue.Queue()
        self.cancelled: queue.Queue[str] = queue.Queue()
        self.runs: queue.Queue[str] = queue.Queue()
        self.contents: dict[str, bytes] = {}
        self.wants: list[str] = []
        self.refusal: tuple[str, str] | None = None
        self.manifest = ""
        self.link = None
        self.gates: dict[str, asyncio.Event] = collections.defaultdict(asyncio.Event)

    async def joined(self, link, run):
        self.link = link
        self.runs.put(run)

    async def take_manifest(self, link, digest, signed):
        self.manifest = digest
        if self.refusal is not None:
            link.decline(digest, *self.refusal)
        elif self.wants:
            link.want(digest, self.wants)
        else:
            link.ready(digest, {"train": len(signed)})

    async def take_content(self, link, digest, body):
        self.contents[digest] = bytes(body)
        if set(self.contents) == set(self.wants):
            link.ready(self.manifest, {})

    async def call(self, method, body):
        self.calls.put(method)
        return await getattr(self, method)(body)

    async def echo(self, body):
        return [body[: len(body) // 2], body[len(body) // 2 :]]

    async def zeros(self, body):
        return [bytes(int(bytes(body)))]

    async def wait(self, body):
        try:
            await self.gates["wait"].wait()
        except asyncio.CancelledError:
            self.cancelled.put("wait")
            raise
        return [b"waited"]

    async def take_acknowledgement(self, run, round_num):
        self.acknowledged.put((run, round_num))

    async def take_countersigned(self, header):
        self.countersigned.put(header)

    async def take_model(self, name, digest, signature, body):
        self.models.put((name, digest, signature, bytes(body)))

    def left(self, reason, delay_s):
        self.left_queue.put(reason)

    def next_left(self) -> str:
        """Why the next connection that ends has ended."""
        return self.left_queue.get(timeout=TIMEOUT_S)


class Store:
    """A client that runs on a loop of the test's."""

    def __init__(self, loop: LoopThread, address: str, tls: ClientTls, **settings):
        self.handler = Handler()
        settings = {
            "proxies": ProxySettings(),
            "delays": ReconnectDelays(0.01, 0.05),
            "hello": HELLO,
            **settings,
        }
        self._loop = loop

        async def make():
            return LinkClient(address, tls, handler=self.handler, **settings)

        self.client = loop.submit(make()).result(TIMEOUT_S)
        self.running = loop.submit(self.client.run())

    def stop(self, reason="the test ends"):
        """Ends the client, and waits for it."""

        async def stop():
            self.client.stop(reason)

        self._loop.submit(stop()).result(TIMEOUT_S)
        self.running.result(TIMEOUT_S)

    def do(self, function, *arguments, **named):
        """Calls a function on the client's loop."""

        async def call():
            return function(*arguments, **named)

        return self._loop.submit(call()).result(TIMEOUT_S)


class Surroundings:
    """Servers and stores that end with the test."""

    def __init__(self, stack: contextlib.ExitStack):
        self._stack = stack
        self.chain = Chain()
        self.loop = LoopThread("stores")
        stack.callback(self.loop.close)

    def headquarters(self, tls=None, **settings) -> Headquarters:
        found = Headquarters(tls or self.chain.server_tls(), **settings)
        self._stack.callback(found.server.close)
        return found

    def store(self, address, tls=None, **settings) -> Store:
        found = Store(self.loop, address, tls or self.chain.store_tls(), **settings)
        self._stack.callback(self._end, found)
        return found

    def _end(self, store: Store):
        with contextlib.suppress(concurrent.futures.CancelledError):
            store.stop()


@contextlib.contextmanager
def link_surroundings() -> Iterator[Surroundings]:
    """What a test of the link needs; all of it ends with the block."""
    with contextlib.ExitStack() as stack:
        yield Surroundings(stack)


def port_of(address: str) -> int:
    """The port of HOST:PORT."""
    return int(address.rpartition(":")[2])


async def ask(link, method="echo", body=b"x") -> bytes:
    """A call's answer, kept."""
    async with link.call(method, [body]) as answer:
        return bytes(answer)
