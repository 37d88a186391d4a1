import dataclasses

import pytest

from tff_retail.config import ConfigurationError
from tff_retail.program.surroundings import (
    Surroundings,
    find_surroundings,
    tensorflow_environment,
)

HERE = Surroundings("here", {"tensorflow": "2.14.1"}, ("x86_64", "avx2"))


def test_this_process_is_like_itself():
    here = find_surroundings()
    here.require_alike(find_surroundings())
    assert here.versions.keys() == {"python", "tensorflow", "keras", "numpy"}
    assert here.instruction_sets[0] == "x86_64"
    assert here.missing is None


def test_another_kind_of_cpu_is_no_reason_to_refuse():
    dataclasses.replace(HERE, host="there", instruction_sets=("x86_64",)).require_alike(HERE)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"missing": "/cache/bern.pixels"}, "found no '/cache/bern.pixels' on there; put"),
        ({"versions": {"tensorflow": "2.15.0"}}, "found .*2.15.0'} on there and .*2.14.1'} here"),
    ],
)
def test_a_worker_without_data_or_with_other_versions_is_refused(change, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        dataclasses.replace(HERE, host="there", **change).require_alike(HERE)


def test_what_bits_depend_on_goes_along(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("SECRET", "x")
    environment = tensorflow_environment()
    assert environment["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert "SECRET" not in environment
