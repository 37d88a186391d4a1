import json
import pathlib
import subprocess
import sys

import pytest

from tests.colour_run import LABELS, make_colour_run, save_unsure_model, write_photographs
from tff_retail import recognize
from tff_retail.program.recognition import Recognition

_CLONE = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_colour_run(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs 照片")
    for colour in range(3):
        write_photographs(folder / str(colour), colour, num_photographs=1)
    (folder / "1" / "broken.jpg").write_bytes(b"")
    return folder


def _recognize(*arguments):
    command = [sys.executable, "-m", "tff_retail.recognize", *map(str, arguments)]
    return subprocess.run(command, cwd=_CLONE, capture_output=True, text=True, timeout=120)


def test_a_bad_photograph_is_one_line_and_the_rest_go_on(run, photographs):
    result = _recognize(photographs, f"--model={run}")
    lines = result.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"{photographs}/{c}/0.png" for c in range(3)]
    assert [line.split(": ")[1].rpartition(" ")[0] for line in lines] == list(LABELS)
    assert result.stderr == f"{photographs}/1/broken.jpg: empty file\n"
    assert result.returncode == 1


def test_json_lines_with_the_next_best(run, photographs):
    good = photographs / "2" / "0.png"
    result = _recognize("--json", "--top_k=2", f"--model={run / 'model'}", good)
    (line,) = result.stdout.splitlines()
    values = json.loads(line)
    assert (values["photo"], values["label"]) == (str(good), LABELS[2])
    assert values["is_unknown"] is False
    assert values["top_k"][0] == {"label": LABELS[2], "score": values["score"]}
    assert len(values["top_k"]) == 2 and values["score"] > values["top_k"][1]["score"]
    assert (result.stderr, result.returncode) == ("", 0)


def test_what_is_unlike_every_product_is_said_with_what_it_is_most_like(photographs, tmp_path):
    save_unsure_model(tmp_path / "model")
    good = photographs / "0" / "0.png"
    arguments = (f"--model={tmp_path / 'model'}", good)
    text = _recognize("--top_k=2", *arguments).stdout
    assert text.startswith(f"{good}: unknown product (most like: {LABELS[0]} ")
    assert text.endswith("%)\n") and text.count("%") == 2
    values = json.loads(_recognize("--json", *arguments).stdout)
    assert (values["is_unknown"], values["label"]) == (True, LABELS[0])
    without = _recognize("--unknown_threshold=0", *arguments).stdout
    assert without.startswith(f"{good}: {LABELS[0]} ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["photo.png"], "--model must be"),
        (["--model=run"], "photographs or folders"),
        (["--model=run", "--top_k=0", "photo.png"], "--top_k must be at least 1, found 0"),
        (["--model=run", "--unknown_threshold=x", "photo.png"], "auto or a number in [0, 1]"),
        (["--model=run", "photo.png"], "--model must be a run directory"),
        (["--model=run", "--no_such_flag", "photo.png"], "no_such_flag"),
    ],
)
def test_a_wrong_command_is_one_sentence(arguments, sentence):
    result = _recognize(*arguments)
    assert sentence in result.stderr and result.stderr.count("\n") == 1
    assert (result.stdout, result.returncode) == ("", 2)


def test_a_folder_without_photographs_is_one_sentence(run):
    result = _recognize(f"--model={run}", "tff_retail")
    assert "found none in 'tff_retail'" in result.stderr and result.returncode == 2


def test_starts_without_the_training_libraries():
    code = (
        "import sys, tff_retail.recognize, tff_retail.program.recognition\n"
        "from tff_retail.program import released_model\n"
        "assert not {'tensorflow_federated', 'matplotlib', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=_CLONE, check=True, timeout=120)


def test_a_label_writes_to_no_terminal(capsys):
    """Labels come with a model from headquarters."""
    hostile = "apple\x1b[2J\x9b31m\r"
    recognize._print_text(Recognition("a.jpg", ((hostile, 0.5),)))
    assert capsys.readouterr().out == "a.jpg: apple?[2J?31m? 50.0%\n"
