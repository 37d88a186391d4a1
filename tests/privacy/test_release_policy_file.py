"""A policy file holds in full or not at all, and says which key is wrong."""

import dataclasses
import pathlib
import tomllib

import pytest

from tff_retail.config import ConfigurationError
from tff_retail.privacy.release_policy import ReleasePolicy
from tff_retail.privacy.release_policy_file import read_release_policy

_SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "configs" / "policy.toml"
_DIGEST = "a" * 64


@pytest.fixture
def read(tmp_path):
    def call(text: str | bytes) -> ReleasePolicy:
        path = tmp_path / "policy.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_release_policy(path)

    return call


def test_the_shipped_file_is_the_default_and_says_all_of_it():
    assert read_release_policy(_SHIPPED) == ReleasePolicy()
    shipped, default = tomllib.loads(_SHIPPED.read_text()), dataclasses.asdict(ReleasePolicy())
    assert set(shipped) == set(default)
    for section in ("train", "evaluate", "graphs"):
        assert set(shipped[section]) == set(default[section])


def test_what_is_left_out_is_the_default(read):
    assert read("") == ReleasePolicy()
    found = read('hours = "22:00-06:00"\n[train]\nmin_examples = 100\n')
    default = ReleasePolicy()
    train = dataclasses.replace(default.train, min_examples=100)
    assert found == dataclasses.replace(default, hours="22:00-06:00", train=train)
    pinned = read(f'trust = "pinned"\npinned_graphs = ["{_DIGEST}"]\n[graphs]\nmax_nodes = 7\n')
    assert (pinned.pinned_graphs, pinned.graphs.max_nodes) == ((_DIGEST,), 7)
    assert read("max_validation_fraction = 0.25").max_validation_fraction == 0.25
    assert read("[evaluate]\nvectors = {}").evaluate.vectors == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("trusts = 1", "policy: trusts must be one of trust, pinned_graphs, reports, "),
        ("[train]\nmin = 1", "policy: train.min must be one of open, updates, scalars, "),
        ("[grahps]\n", "policy: grahps must be one of "),
        ("trust = 1", "policy: trust must be text, found 1; "),
        ('trust = "all"', "policy: trust must be one of signed, pinned, allow_list_only, found "),
        ('trust = "pinned"', "policy: pinned_graphs must be there where trust is pinned, and only"),
        (f'pinned_graphs = ["{_DIGEST}"]', "policy: pinned_graphs must be there where trust is"),
        (
            f'trust = "pinned"\npinned_graphs = ["{_DIGEST[1:]}"]',
            "policy: pinned_graphs must be SHA-256s in hexadecimal, found ",
        ),
        ('pinned_graphs = "all"', "policy: pinned_graphs must be a list of texts, found 'all'"),
        ('hours = "22-6"', "policy: hours must be HH:MM-HH:MM, in 24 hours, found '22-6'; "),
        ('hours = "22:00-24:01"', "policy: hours must be HH:MM-HH:MM, in 24 hours, found "),
        ('hours = "07:00-07:00"', "policy: hours must be HH:MM-HH:MM, in 24 hours, found "),
        ('hours = "22:61-23:00"', "policy: hours must be HH:MM-HH:MM, in 24 hours, found "),
        ('reports = "some"', "policy: reports must be one of all, health, nothing, found 'some'"),
        ("max_rounds_per_day = 0", "policy: max_rounds_per_day must be in [1, 100000], found 0; "),
        ("max_rounds_per_day = true", "policy: max_rounds_per_day must be a whole number, found"),
        ("max_rounds_per_day = 1.5", "policy: max_rounds_per_day must be a whole number, found"),
        ("max_bytes_per_round = 0", "policy: max_bytes_per_round must be at least 1, found 0; "),
        ("max_validation_fraction = 1", "policy: max_validation_fraction must be in (0, 1), found"),
        ("max_validation_fraction = nan", "policy: max_validation_fraction must be in (0, 1)"),
        ("min_batch_size = 0", "policy: min_batch_size must be in [1, 10000], found 0; "),
        ('sandbox = "no"', "policy: sandbox must be one of where possible, required, found 'no'"),
        ("train = 1", "policy: train must be a table, found 1; "),
        ("[train]\nopen = 1", "policy: train.open must be true or false, found 1; "),
        ("[train]\nupdates = -1", "policy: train.updates must be in [0, 10], found -1; "),
        ("[train]\nmin_examples = 0", "policy: train.min_examples must be at least 1, found 0; "),
        ('[train]\nscalars = ["loss", 1]', "policy: train.scalars must be a list of texts, found"),
        ('[train]\nvectors = {a = "x"}', "policy: train.vectors must be a table of names and "),
        ("[train]\nvectors = {a = 0}", "policy: train.vectors.a must be in [1, 1000000], found 0"),
        (
            "[train]\nper_label = {loss = 3}",
            "policy: train.per_label must be of names that are listed once, found ['loss']; leave",
        ),
        ("[graphs]\nmax_nodes = 0", "policy: graphs.max_nodes must be a whole number from 1 on"),
        ("trust = ", "--policy must be a TOML file in UTF-8, found "),
        (b"\xff\xfe", "--policy must be a TOML file in UTF-8, found "),
        ("#" * 300_000, "policy: the file must be 262144 bytes, found 300000; "),
        ("a = " + "[" * 10_000, "--policy must be a TOML file in UTF-8, found "),
    ],
    ids=range(35),
)
def test_a_mistake_is_one_sentence_and_no_default(read, text, sentence):
    with pytest.raises(ConfigurationError) as error:
        read(text)
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_no_default(tmp_path):
    for path in (tmp_path / "nowhere.toml", tmp_path):
        with pytest.raises(ConfigurationError, match="^--policy must be a file that can be read"):
            read_release_policy(path)
