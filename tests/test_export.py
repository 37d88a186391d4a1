import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.colour_run import LABELS, make_colour_run, write_photographs
from tff_retail.program.export_check import check_export
from tff_retail.program.export_images import load_export_images
from tff_retail.program.released_model import load_released_model

_CLONE = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_colour_run(tmp_path_factory.mktemp("chain"))


def _export(*arguments):
    command = [sys.executable, "-m", "tff_retail.export", *map(str, arguments)]
    return subprocess.run(command, cwd=_CLONE, capture_output=True, text=True, timeout=240)


def test_writes_checks_and_measures(run):
    result = _export(
        f"--model={run}",
        f"--calibration_dir={run.parent / 'chain'}",
        "--formats=saved_model,tflite_float32",
    )
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads((run / "export" / "export.json").read_text("utf-8"))
    assert (report["num_calibration_images"], report["num_check_images"]) == (15, 15)
    exports = {export["format"]: export for export in report["exports"]}
    assert list(exports) == ["saved_model", "tflite_float32"]
    for export in exports.values():
        assert export["is_sound"] and export["agreement"] == 1 and export["latency_ms"] > 0
    assert exports["tflite_float32"]["num_bytes"] == (run / "export/float32.tflite").stat().st_size
    assert result.stdout.count("  sound") == 2
    for name in ("saved_model", "float32.tflite"):
        assert load_released_model(run / "export" / name).labels == LABELS


def test_an_export_that_names_other_labels_is_not_sound():
    expected = np.eye(2, dtype=np.float32)[[0] * 10]
    images = np.zeros((10, 8, 8, 3), np.uint8)
    found = expected.copy()
    found[:2] = [0.4, 0.6]
    check = check_export(
        "tflite_int8", lambda images: found[: len(images)], images=images, expected=expected
    )
    assert check.agreement == 0.8 and not check.is_sound
    assert check.max_difference == pytest.approx(0.6)


def test_synthetic_photographs_are_the_same_each_time():
    calibration, images = load_export_images(32, None)
    assert calibration.shape == images.shape == (100, 32, 32, 3)
    assert len(np.unique(np.concatenate([calibration, images]), axis=0)) == 200
    np.testing.assert_array_equal(load_export_images(32, None)[1], images)


def test_unreadable_photographs_are_passed_over(tmp_path):
    write_photographs(tmp_path, 0, num_photographs=3)
    (tmp_path / "bad.jpg").write_bytes(b"")
    calibration, images = load_export_images(32, tmp_path)
    assert (len(calibration), len(images)) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--model must be"),
        (["--model=runs/none"], "found 'runs/none'"),
        (["--model=a.tflite"], "found 'a.tflite'"),
        (["--model=runs/none", "--formats=onnx"], "--formats must be among saved_model"),
        (["--model=runs/none", "--calibration_dir=none"], "--calibration_dir must be an existing"),
        (["runs/none"], "--model must be the only way"),
    ],
)
def test_a_wrong_command_is_one_sentence(tmp_path, arguments, sentence):
    result = _export(f"--output_dir={tmp_path / 'out'}", *arguments)
    assert sentence in result.stderr and result.stderr.count("\n") == 1
    assert (result.stdout, result.returncode) == ("", 2)
    assert not (tmp_path / "out").exists()
