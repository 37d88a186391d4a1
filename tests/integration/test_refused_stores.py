"""Real daemons that headquarters turns away, or they it: each says why in one clear sentence."""

import datetime
import json
import pathlib
import re
from collections.abc import Iterator

import pytest

from tests.integration.link_stores import TIMEOUT_S, Headquarters
from tests.integration.store_daemons import running_daemon
from tff_retail.transport.authority_files import read_intermediate
from tff_retail.transport.certificate_office import CertificateOffice
from tff_retail.transport.fleet_folder import FleetFolder, utc_now
from tff_retail.transport.fleet_making import NewFleet, make_fleet
from tff_retail.transport.store_enrolment import install_certificate, write_request

_MODULE = "tests.integration.idle_store"
_CLOCK = r"this machine's clock says [-0-9]{10} [0-9:]{5} UTC"


def _days(number: float) -> datetime.datetime:
    return utc_now() + datetime.timedelta(days=number)


def _fleet(path: pathlib.Path, *, host: str = "localhost", days: float = 0) -> FleetFolder:
    """A fleet that was made some days from now."""
    return make_fleet(path, NewFleet([host], "localhost:1", "localhost:1"), _days(days))


def _enrol(
    fleet: FleetFolder, state_dir: pathlib.Path, *, name: str = "north", days: float = 0
) -> pathlib.Path:
    """The state directory of a store whose certificate was issued some days from now."""
    office = CertificateOffice(
        FleetFolder(fleet.path, clock=lambda: _days(days)), read_intermediate(fleet)
    )
    request, approved = state_dir.with_suffix(".csr"), state_dir.with_suffix(".approved")
    write_request(name, state_dir=state_dir, path=request)
    approved.write_text(json.dumps(office.approve(request.read_bytes()).to_json()))
    install_certificate(approved, state_dir=state_dir)
    return state_dir


@pytest.fixture(scope="module")
def fleet(tmp_path_factory) -> FleetFolder:
    # Its authorities must be older than any certificate of theirs.
    return _fleet(tmp_path_factory.mktemp("fleet") / "fleet", days=-200)


def _serving(fleet: FleetFolder, **settings) -> Iterator[Headquarters]:
    headquarters = Headquarters(fleet.server_tls(), **settings)
    yield headquarters
    headquarters.server.close()


@pytest.fixture(scope="module")
def headquarters(fleet):
    yield from _serving(fleet)


def _said(state_dir: pathlib.Path, headquarters: Headquarters) -> str:
    """The first reason that a daemon gives for not being connected; it goes on trying."""
    data_dir = state_dir.with_name("photographs")
    data_dir.mkdir()
    with running_daemon(state_dir, data_dir, headquarters.address, module=_MODULE) as daemon:
        daemon.wait_until_said("; trying again\n", 1)
        assert daemon.process.poll() is None
        line = next(one for one in daemon.said().splitlines() if one.startswith("not connected: "))
    assert headquarters.joined.empty()
    return line


def _require(line: str, reason: str) -> None:
    assert re.fullmatch(f"not connected: {reason}; trying again", line), line


def test_a_certificate_that_has_ended(fleet, headquarters, tmp_path):
    state_dir = _enrol(fleet, tmp_path / "north", name="ended", days=-100)
    _require(
        _said(state_dir, headquarters),
        rf"This store's certificate ended on [-0-9]{{10}} and {_CLOCK}; set the clock, or let the "
        "store join again",
    )


def test_the_stores_clock_is_a_day_behind(fleet, headquarters, tmp_path):
    state_dir = _enrol(fleet, tmp_path / "north", name="early", days=1)
    _require(
        _said(state_dir, headquarters),
        rf"This store's certificate begins on [-0-9]{{10}} and {_CLOCK}; set the clock",
    )


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        (
            1,
            "Headquarters' certificate is not valid yet: this machine's clock is behind, "
            f"{_CLOCK}; set the clock",
        ),
        (
            -400,
            f"Headquarters' certificate has ended, or this machine's clock is ahead: {_CLOCK}; set "
            r"the clock, or have headquarters' certificate renewed \(`fleet rotate`\)",
        ),
    ],
    ids=["behind", "ahead"],
)
def test_the_clocks_disagree_about_headquarters(tmp_path, days, reason):
    # Its store's clock is right by its own certificate.
    fleet = _fleet(tmp_path / "fleet", days=days)
    state_dir = _enrol(fleet, tmp_path / "north")
    for headquarters in _serving(fleet):
        _require(_said(state_dir, headquarters), reason)


def test_headquarters_of_another_name(tmp_path):
    fleet = _fleet(tmp_path / "fleet", host="hq.example.com")
    state_dir = _enrol(fleet, tmp_path / "north")
    for headquarters in _serving(fleet):
        _require(
            _said(state_dir, headquarters),
            f"{headquarters.address} shows a certificate for another name than localhost; dial "
            "headquarters by a name that `fleet init --hosts` was given",
        )


def test_headquarters_of_another_authority(headquarters, tmp_path):
    state_dir = _enrol(_fleet(tmp_path / "other"), tmp_path / "north")
    _require(
        _said(state_dir, headquarters),
        f"{headquarters.address} shows a certificate of another authority than this store's chain; "
        "check --server_address, or join the chain that is there",
    )


def test_a_store_without_a_certificate(headquarters, tmp_path):
    (tmp_path / "photographs").mkdir()
    where = tmp_path / "north", tmp_path / "photographs", headquarters.address
    with running_daemon(*where, module=_MODULE) as daemon:
        assert daemon.process.wait(TIMEOUT_S) == 2
        assert "--state_dir" in daemon.said() and "join" in daemon.said()
    assert headquarters.joined.empty()


def test_another_release_is_named_at_both_ends(fleet, tmp_path):
    state_dir = _enrol(fleet, tmp_path / "north")
    sentence = (
        "Headquarters speaks version 7 of the store link and this store 1 or 2; install the same "
        "release of tff_retail on both"
    )
    for headquarters in _serving(fleet, versions=(7,)):
        _require(_said(state_dir, headquarters), f"Headquarters refused this store: {sentence}")
        assert headquarters.turned_away.get(timeout=TIMEOUT_S) == ("north", sentence)
