"""A fleet's certificates under gRPC: who gets through, and what a rotation changes."""

import concurrent.futures
import dataclasses
import json
import socket

import grpc
import pytest

from tests.transport.small_fleet import DAY, SmallFleet
from tff_retail.transport.authority_files import read_intermediate, renew_headquarters
from tff_retail.transport.peer_certificate import PeerCertificate
from tff_retail.transport.store_enrolment import install_certificate, write_request
from tff_retail.transport.store_identity import StoreIdentity
from tff_retail.transport.tls import ClientTls

_TIMEOUT_S = 20.0


class _WhoAmI(grpc.GenericRpcHandler):
    """Answers with the certificate that the caller showed."""

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: context.auth_context()["x509_pem_cert"][0]
        )


class _Serving:
    def __init__(self, fleet: SmallFleet):
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
        self._server.add_generic_rpc_handlers([_WhoAmI()])
        credentials = fleet.folder.server_tls().grpc_credentials()
        self.port = self._server.add_secure_port("localhost:0", credentials)
        self._server.start()

    def who_am_i(self, tls: ClientTls, host="localhost") -> str:
        options = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own each time
        target = f"{host}:{self.port}"
        with grpc.secure_channel(target, tls.grpc_credentials(), options) as channel:
            call = channel.unary_unary("/any/method")
            return PeerCertificate.from_pem(call(b"", timeout=_TIMEOUT_S)).name

    def shown_serial(self, tls: ClientTls) -> str:
        with socket.create_connection(("localhost", self.port), _TIMEOUT_S) as plain:
            with tls.ssl_context().wrap_socket(plain, server_hostname="localhost") as connection:
                certificate = connection.getpeercert()
        assert certificate is not None
        return str(certificate["serialNumber"])

    def close(self):
        self._server.stop(None).wait(_TIMEOUT_S)


@pytest.fixture
def fleet(tmp_path) -> SmallFleet:
    return SmallFleet(tmp_path / "fleet")


@pytest.fixture
def serving(fleet):
    serving = _Serving(fleet)
    yield serving
    serving.close()


def _identity(fleet: SmallFleet, folder, name="店 七") -> StoreIdentity:
    folder.mkdir()
    request, approved = folder / "request", folder / "approved"
    write_request(name, state_dir=folder, path=request)
    issued = fleet.office.approve(request.read_bytes())
    approved.write_text(json.dumps(issued.to_json()))
    return install_certificate(approved, state_dir=folder)


def test_a_store_gets_through_under_its_name(fleet, serving, tmp_path):
    tls = _identity(fleet, tmp_path / "s").client_tls()
    assert serving.who_am_i(tls) == "店 七"
    assert serving.who_am_i(tls, host="127.0.0.1") == "店 七"


def _is_refused(serving, tls) -> bool:
    with pytest.raises(grpc.RpcError) as error:
        serving.who_am_i(tls)
    return error.value.code() == grpc.StatusCode.UNAVAILABLE


def test_who_is_not_of_the_chain_does_not_get_through(fleet, serving, tmp_path):
    root = fleet.folder.server_tls().client_ca
    stranger = _identity(SmallFleet(tmp_path / "other"), tmp_path / "s").client_tls()
    assert _is_refused(serving, dataclasses.replace(stranger, server_ca=root))
    # Nor does the store go to the strangers' headquarters.
    assert _is_refused(serving, stranger)


def test_who_shows_nothing_does_not_get_through(fleet, serving):
    root = fleet.folder.server_tls().client_ca
    with grpc.secure_channel(
        f"localhost:{serving.port}", grpc.ssl_channel_credentials(root)
    ) as channel:
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/any/method")(b"", timeout=_TIMEOUT_S)


def test_a_certificate_that_ended_does_not_get_through(fleet, serving, tmp_path):
    fleet.clock.move(-100 * DAY)
    assert _is_refused(serving, _identity(fleet, tmp_path / "s").client_tls())


def test_headquarters_certificate_is_none_of_a_store(fleet, serving):
    own = fleet.folder.server_tls()
    assert _is_refused(serving, ClientTls(own.key, own.chain, own.client_ca))


def test_a_store_cannot_pose_as_headquarters(fleet, tmp_path):
    store, other = (_identity(fleet, tmp_path / n, n).client_tls() for n in ("a", "b"))
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    credentials = grpc.ssl_server_credentials([(store.key, store.chain)])
    port = server.add_secure_port("localhost:0", credentials)
    server.start()
    try:
        with grpc.secure_channel(f"localhost:{port}", other.grpc_credentials()) as channel:
            with pytest.raises(grpc.RpcError):
                channel.unary_unary("/any/method")(b"", timeout=_TIMEOUT_S)
    finally:
        server.stop(None).wait(_TIMEOUT_S)


def test_a_rotation_shows_with_the_next_connection(fleet, serving, tmp_path):
    tls = _identity(fleet, tmp_path / "s").client_tls()
    options = [("grpc.use_local_subchannel_pool", 1)]
    credentials = tls.grpc_credentials()
    with grpc.secure_channel(f"localhost:{serving.port}", credentials, options) as channel:
        call = channel.unary_unary("/any/method")
        call(b"", timeout=_TIMEOUT_S)
        before = serving.shown_serial(tls)
        renew_headquarters(fleet.folder, read_intermediate(fleet.folder))
        assert serving.shown_serial(tls) != before
        call(b"", timeout=_TIMEOUT_S)  # and the connection that was open goes on
    assert serving.who_am_i(tls) == "店 七"
