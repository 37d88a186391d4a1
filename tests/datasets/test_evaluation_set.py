import pytest

from datasets.evaluation_set import open_evaluation_set
from tff_retail.config import ConfigurationError


@pytest.fixture
def eval_dir(tmp_path, write_photo):
    for number in range(4):
        write_photo(tmp_path / f"test/tea/{number}.png", (number, 0, 0))
    write_photo(tmp_path / "test/milk/deep/1.png", (0, 1, 0))
    write_photo(tmp_path / "test/soap/1.png", (0, 2, 0))
    (tmp_path / "test/tea/bad.jpg").touch()
    return tmp_path / "test"


def test_all_photographs_validate_with_the_labels_of_the_model(eval_dir, tmp_path):
    for cache_dir in (None, str(tmp_path / "cache")):
        found = open_evaluation_set(str(eval_dir), ("milk", "bread", "tea"), 8, cache_dir)
        assert found.num_examples("train") == 0
        assert len(found.load("train")) == 0
        examples = found.load("validation")
        assert examples.features.shape == (5, 8, 8, 3)
        assert found.label_counts("validation").tolist() == [1, 0, 4]
        assert [file.path for file in found.report.skipped] == ["tea/bad.jpg"]
        assert found.report.other_labels == {"soap": 1}
    assert (tmp_path / "cache").is_dir()


def test_nothing_to_evaluate_on_is_one_sentence(eval_dir, tmp_path):
    with pytest.raises(ConfigurationError, match="--eval_dir must be an existing folder"):
        open_evaluation_set(str(tmp_path / "missing"), ("tea",), 8)
    with pytest.raises(ConfigurationError, match="only other labels than those wanted: milk, soap"):
        open_evaluation_set(str(eval_dir), ("bread",), 8)
