import pathlib

import pytest
import tensorflow as tf

from tff_retail.program import precision_notice


@pytest.fixture
def cpu_info(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "cpuinfo"
    path.write_text("flags : fpu avx512_bf16 amx_tile\n", encoding="utf-8")
    return path


def _have_gpus(monkeypatch, *details: dict) -> None:
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: range(len(details)))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details[gpu])


def test_float32_needs_no_notice(cpu_info):
    assert precision_notice.precision_notice("float32", [""], cpu_info) is None


def test_half_precision_gains_nothing_on_a_plain_cpu(cpu_info, tmp_path):
    expected = "--precision=mixed_bfloat16 gains nothing on this CPU"
    assert precision_notice.precision_notice("mixed_bfloat16", [""], cpu_info) == expected
    missing = tmp_path / "missing"
    assert precision_notice.precision_notice("mixed_bfloat16", [""], missing) == expected
    assert precision_notice.precision_notice("mixed_float16", [""], cpu_info) == (
        "--precision=mixed_float16 is many times slower than float32 on a CPU"
    )


def test_a_cpu_with_matrix_units_for_bfloat16_may_gain(cpu_info):
    cpu_info.write_text("flags : amx_bf16 amx_tile\n", encoding="utf-8")
    assert precision_notice.precision_notice("mixed_bfloat16", [""], cpu_info) is None
    assert precision_notice.precision_notice("mixed_float16", [""], cpu_info) is not None


def test_a_gpu_without_tensor_cores_for_it_is_named(monkeypatch):
    _have_gpus(
        monkeypatch,
        {"device_name": "T4", "compute_capability": (7, 5)},
        {"device_name": "A100", "compute_capability": (8, 0)},
    )
    devices = ["/GPU:0", "/GPU:1"]
    assert precision_notice.precision_notice("mixed_float16", devices) is None
    assert precision_notice.precision_notice("mixed_bfloat16", devices) == (
        "--precision=mixed_bfloat16 gains nothing on T4 (7.5), below compute capability 8.0"
    )
