import os

import pytest

from tff_retail.runtime.kept_results import KeptResults, Question

FIRST = Question("run 1", 1, "a" * 64)


@pytest.fixture
def make(tmp_path):
    made = []

    def make_kept(max_bytes=100, say=pytest.fail) -> KeptResults:
        made.append(KeptResults(tmp_path / "results", max_bytes=max_bytes, say=say))
        return made[-1]

    yield make_kept
    for kept in made:
        kept.close()


def _written(kept: KeptResults) -> None:
    kept.close()


def test_a_result_is_found_at_once_and_after_a_restart(make):
    kept = make()
    assert kept.find(FIRST) is None
    kept.keep(FIRST, [b"one", memoryview(b"two")])
    assert b"".join(kept.find(FIRST)) == b"onetwo"
    _written(kept)
    again = make()
    assert b"".join(again.find(FIRST)) == b"onetwo"
    for other in (Question("run 2", 1, "a" * 64), Question("run 1", 2, "a" * 64)):
        assert again.find(other) is None
    assert again.find(Question("run 1", 1, "b" * 64)) is None


def test_only_the_owner_reads_it(make, tmp_path):
    kept = make()
    kept.keep(FIRST, [b"one"])
    _written(kept)
    (path,) = (tmp_path / "results").glob("*/*.pb")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_was_acknowledged_goes(make):
    kept = make()
    for round_num in (1, 2, 3):
        kept.keep(Question("run 1", round_num, "a" * 64), [b"one"])
    kept.keep(Question("run 2", 1, "a" * 64), [b"one"])
    kept.acknowledge("run 1", 2)
    _written(kept)
    again = make()
    assert again.find(FIRST) is None
    assert again.find(Question("run 1", 2, "a" * 64)) is None
    assert again.find(Question("run 1", 3, "a" * 64)) == [b"one"]
    assert again.find(Question("run 2", 1, "a" * 64)) == [b"one"]


def test_the_oldest_make_room(make, tmp_path):
    kept = make()
    for number, round_num in enumerate((3, 1, 2)):
        kept.keep(Question("run 1", round_num, "a" * 64), [b"x" * 40])
        kept._writer.submit(lambda: None).result()
        for path in (tmp_path / "results").glob(f"*/{round_num:010}-*.pb"):
            os.utime(path, ns=(number, number))
    _written(kept)
    again = make()
    found = [again.find(Question("run 1", number, "a" * 64)) is not None for number in (1, 2, 3)]
    assert found == [True, True, False]


def test_what_is_too_large_is_not_kept(make):
    kept = make()
    kept.keep(FIRST, [b"x" * 101])
    assert kept.find(FIRST) is None


def test_a_disk_that_takes_nothing_is_said_and_harms_nothing(make):
    said = []
    kept = make(say=said.append)
    folder = kept._run_folder("run 1")
    folder.write_bytes(b"a file where a folder should be")
    kept.keep(FIRST, [b"one"])
    _written(kept)
    assert len(said) == 1 and "could not be kept" in said[0]
    assert kept.find(FIRST) is None


def test_half_a_file_is_removed_at_the_start(make, tmp_path):
    kept = make()
    kept.keep(FIRST, [b"one"])
    _written(kept)
    (path,) = (tmp_path / "results").glob("*/*.pb")
    half = path.with_suffix(".tmp")
    half.write_bytes(b"o")
    make()
    assert not half.exists()


def test_a_folder_where_half_a_file_may_be_harms_nothing(make, tmp_path):
    (tmp_path / "results" / "a" / "b.tmp").mkdir(parents=True)
    kept = make()
    kept.keep(FIRST, [b"one"])
    assert b"".join(kept.find(FIRST)) == b"one"
