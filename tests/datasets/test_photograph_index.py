from datasets.photograph_index import PhotographIndex


def test_paths_of_what_was_read_before_the_first_of_equal_files(tmp_path):
    photograph = tmp_path / "photograph"
    photograph.touch()
    index = PhotographIndex(tmp_path / "index.json")
    for path, key in (("b/2.jpg", 1), ("a/1.jpg", 1), ("c/照片.jpg", 2)):
        index.add(path, photograph.stat(), bytes([key]) * 32)
    index.save()
    assert PhotographIndex(tmp_path / "index.json").paths() == {
        "01" * 32: "a/1.jpg",
        "02" * 32: "c/照片.jpg",
    }
    assert PhotographIndex(tmp_path / "none.json").paths() == {}
