import pytest

from tests.transport.small_fleet import SmallFleet
from tff_retail.config import ConfigurationError
from tff_retail.program.signed_run_model import find_signed_model, sign_run_model
from tff_retail.transport.run_signing import read_manifest_key
from tff_retail.transport.signed_model import verify_model


@pytest.fixture
def fleet(tmp_path):
    return SmallFleet(tmp_path / "fleet")


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "Läufe 1!"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.json").write_text("{}")
    return folder


def _sign(fleet, run_dir):
    key = read_manifest_key(fleet.folder.path / "signing" / "manifest.key")
    return key, sign_run_model(run_dir, key=key, chain_id=fleet.folder.chain_id)


def test_a_signed_model_is_found_again_and_verified(fleet, run_dir):
    assert find_signed_model(run_dir) is None
    key, model = _sign(fleet, run_dir)
    assert find_signed_model(run_dir) == model
    assert model.name == "L_ufe_1_"
    verify_model(
        model.digest,
        model.signature,
        name=model.name,
        public_key=key.public_key(),
        chain_id=fleet.folder.chain_id,
    )


def test_a_model_that_changed_since_is_not_signed(fleet, run_dir):
    _sign(fleet, run_dir)
    (run_dir / "model" / "model.json").write_text("{ }")
    assert find_signed_model(run_dir) is None


def test_a_run_without_a_model_is_one_sentence(fleet, run_dir):
    (run_dir / "model" / "model.json").unlink()
    with pytest.raises(ConfigurationError, match="^RUN must be a run directory with a finished"):
        _sign(fleet, run_dir)
