"""A TensorFlow data set as a chain of simulated stores."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from datasets import tfds_records
from datasets.chain import open_chain
from tff_retail.config import ConfigurationError, DataConfig


class TinyGroceries(tfds.core.GeneratorBasedBuilder):
    """Twelve pictures of three products, and one that is no picture's label."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "picture": tfds.features.Image(shape=(None, None, 3)),
                    "product": tfds.features.ClassLabel(names=["tea", "milk", "cafe\u0301"]),
                    "shelf": np.int64,
                }
            )
        )

    def _split_generators(self, dl_manager: object) -> dict[str, object]:
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(12):
            pixels = np.full((8, 10, 3), 20 * number, np.uint8)
            yield number, {"picture": pixels, "product": number % 3, "shelf": number}


class NoLabels(TinyGroceries):
    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict({"picture": tfds.features.Image()})
        return self.dataset_info_from_configs(features=features)

    def _generate_examples(self):
        yield 0, {"picture": np.zeros((8, 8, 3), np.uint8)}


@pytest.fixture
def data(tmp_path):
    return DataConfig(
        tfds="tiny_groceries", tfds_data_dir=str(tmp_path), partitioner="iid", num_stores=3
    )


def _pixels_and_labels(chain):
    found = set()
    for store in chain.stores:
        for split in ("train", "validation"):
            examples = store.load(split)
            assert np.ptp(examples.features, axis=(1, 2, 3)).max(initial=0) == 0
            found |= {
                (int(pixels[0, 0, 0]), chain.labels[label])
                for pixels, label in zip(examples.features, examples.labels, strict=True)
            }
    return found


def test_every_example_reaches_one_store_with_its_label(data):
    chain = open_chain(data, 32)
    assert chain.labels == ("tea", "milk", "caf\u00e9")
    assert [store.name for store in chain.stores] == ["store_0", "store_1", "store_2"]
    sizes = [
        store.num_examples("train") + store.num_examples("validation") for store in chain.stores
    ]
    assert sizes == [4, 4, 4]
    assert _pixels_and_labels(chain) == {(20 * n, chain.labels[n % 3]) for n in range(12)}


def test_second_run_reads_no_record(data, monkeypatch):
    first = _pixels_and_labels(open_chain(data, 32))
    monkeypatch.setattr(tfds_records.TfdsRecords, "read", lambda self: pytest.fail("read again"))
    done = []
    second = open_chain(data, 32, on_progress=lambda *count: done.append(count))
    assert _pixels_and_labels(second) == first
    assert done[-1] == (12, 12)


def test_labels_of_a_model_leave_out_the_others(data):
    chain = open_chain(data, 32, labels=("milk", "tea"))
    assert chain.labels == ("milk", "tea")
    assert chain.report.other_labels == {"caf\u00e9": 4}
    assert {name for _, name in _pixels_and_labels(chain)} == {"milk", "tea"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tfds": "no_such_set"}, "--tfds must name a data set"),
        ({"tfds_split": "weekend"}, "--tfds_split must be a split of tiny_groceries, one of train"),
        ({"tfds": "no_labels"}, "--tfds must name a data set with an image and a class label"),
    ],
)
def test_a_wrong_setting_is_one_sentence(data, changes, sentence):
    values = {**vars(data), **changes}
    with pytest.raises(ConfigurationError, match=sentence) as error:
        open_chain(DataConfig(**values), 32)
    assert "\n" not in str(error.value)
