"""Certificates that end and are renewed while a round is under way, with real processes."""

import datetime
import json
import pathlib
from collections.abc import Iterator

import pytest

from tests.integration.real_training import (
    NAMES,
    RealChain,
    chain_at_work,
    coordinator,
    require_same,
    training,
)
from tff_retail.transport.authority import Authority
from tff_retail.transport.authority_files import read_intermediate, renew_headquarters
from tff_retail.transport.certificate_office import CertificateOffice
from tff_retail.transport.enrolment_listener import EnrolmentListener
from tff_retail.transport.store_admittance import want_renewal

pytestmark = pytest.mark.soak

_RENEWING = "tests.integration.renewing_store"
# With the slack for clocks that its beginning has it is due at once: `renewing_store` renews it
# every five seconds, and headquarters refuses the ninth that is not over.
_SHORT_LIFE = datetime.timedelta(seconds=30)


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Iterator[RealChain]:
    with chain_at_work(tmp_path_factory, "renewing chain") as chain:
        yield chain


@pytest.fixture
def short_lived(monkeypatch) -> None:
    """Certificates that this process issues to stores end soon."""
    issue = Authority.issue_store
    monkeypatch.setattr(
        Authority,
        "issue_store",
        lambda self, key, name, now: issue(self, key, name, now, _SHORT_LIFE),
    )


@pytest.fixture
def listener(chain, short_lived) -> Iterator[EnrolmentListener]:
    """Where the store south renews."""
    folder = chain.fleet.folder
    listener = EnrolmentListener(
        "localhost:0", CertificateOffice(folder, read_intermediate(folder)), on_event=print
    )
    _set_enrolment_address(chain.stores["south"].state_dir, listener.start())
    yield listener
    listener.close()


def _set_enrolment_address(state_dir: pathlib.Path, address: str) -> None:
    path = state_dir / "identity" / "settings.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, "enrolment_address": address}), encoding="utf-8")


def test_certificates_are_renewed_and_the_last_one_ends(chain, listener, tmp_path):
    """The link outlives certificates; then nobody renews, and the others go on without the store.

    South's first certificate and headquarters' own are replaced in mid-round; south's next ones
    live for half a minute each.
    """
    south, folder = chain.stores["south"], chain.fleet.folder
    south.kill()
    south.start_again(module=_RENEWING)
    renewed = "renewed the certificate, good until"
    flags = ("--rejoin_wait_s=240", "--wait_for_stores_s=240")
    with coordinator(chain, tmp_path / "run", *flags, min_stores=len(NAMES)) as run:
        run.start()
        for store in chain.stores.values():
            store.wait_until_ready()
        held = chain.stores["north"].executor()
        held.suspend()
        try:
            run.let_stores_in()
            run.wait_for_round(1)
            want_renewal(folder, "south")
            renew_headquarters(folder, read_intermediate(folder))
            south.daemon.wait_until_said(renewed, 4)  # the first short one has ended
            times = south.daemon.said().count("connected to headquarters")
            south.door.cut()
            south.daemon.wait_until_said("connected to headquarters", times + 1)
        finally:
            held.resume()
        assert run.wait() == 0, run.said()
        require_same(run.run, chain.simulated)
    listener.close()
    south.daemon.wait_until_said("the certificate could not be renewed: ", 1)
    south.daemon.wait_until_said("join again", 1)  # it has ended
    settings = {"min_available_stores": 2, "min_stores": 2}
    with training(chain, tmp_path / "without", rounds=1, **settings) as run:
        south.daemon.wait_until_said("This store's certificate ended on", 1)
        assert run.wait() == 0, run.said()
