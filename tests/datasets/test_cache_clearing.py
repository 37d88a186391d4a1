import pytest

from datasets.cache_clearing import cache_folders, clear_cache
from datasets.chain import open_chain
from tff_retail.config import ConfigurationError, DataConfig


@pytest.fixture
def data_dir(tmp_path, write_photo):
    for label in ("tea", "milk"):
        write_photo(tmp_path / f"data/a/{label}/1.png", 100 + len(label))
    return tmp_path / "data"


def test_the_cache_goes_and_the_photographs_stay(data_dir):
    open_chain(DataConfig(data_dir=str(data_dir)), 8)
    (folder,) = cache_folders(str(data_dir), None)
    assert clear_cache(folder) >= 2 * 8 * 8 * 3
    assert cache_folders(str(data_dir), None) == []
    assert sorted(path.name for path in data_dir.rglob("*")) == [
        "1.png",
        "1.png",
        "a",
        "milk",
        "tea",
    ]


def test_all_caches_below_a_folder(data_dir, tmp_path):
    cache = tmp_path / "cache"
    (cache / "mine").mkdir(parents=True)
    open_chain(DataConfig(data_dir=str(data_dir), cache_dir=str(cache)), 8)
    (found,) = cache_folders(None, str(cache))
    assert cache_folders(str(data_dir), str(cache)) == [found]
    clear_cache(found)
    assert [path.name for path in cache.iterdir()] == ["mine"]


def test_a_cache_in_use_is_refused(data_dir):
    chain = open_chain(DataConfig(data_dir=str(data_dir)), 8)
    (folder,) = cache_folders(str(data_dir), None)
    with pytest.raises(ConfigurationError, match="in use by no run"):
        clear_cache(folder)
    assert len(chain.stores[0].load("train")) >= 1
    del chain
    clear_cache(folder)


def test_what_is_no_cache_of_ours_is_never_removed(tmp_path):
    (tmp_path / "photographs").mkdir()
    with pytest.raises(ConfigurationError, match="without its mark"):
        clear_cache(tmp_path / "photographs")
    assert (tmp_path / "photographs").is_dir()
    with pytest.raises(ConfigurationError, match="found neither"):
        cache_folders(None, None)
