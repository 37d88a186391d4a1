from tff_retail.runtime.plain_collector import Outcome
from tff_retail.runtime.store_standing import StoreStanding


def _failed(name="north", *, is_surplus=False):
    return Outcome(name, f"{name}: no disk", {}, 0.0, is_surplus)


def _paused(standing, name="north", rounds=60):
    return [number for number in range(1, rounds) if standing.is_paused(name, number)]


def test_a_store_that_fails_three_times_in_a_row_is_set_aside():
    standing = StoreStanding()
    assert standing.heed(1, [_failed()]) == []
    assert standing.heed(2, [_failed()]) == []
    assert standing.heed(3, [_failed()]) == [
        "north gave nothing 3 times in a row and is set aside for 1 round"
    ]
    assert _paused(standing) == list(range(1, 5))  # up to round 4; it is asked again in round 5


def test_a_result_in_between_clears_its_name():
    standing = StoreStanding()
    for failed in (True, True, False, True, True):
        outcome = _failed() if failed else Outcome("north", None, {}, 1.0)
        assert standing.heed(1, [outcome]) == []
    assert _paused(standing) == []


def test_the_pause_doubles_up_to_a_bound():
    standing, said = StoreStanding(), []
    for _ in range(9):
        said += standing.heed(10, [_failed()])
    pauses = [int(sentence.split()[-2]) for sentence in said]
    assert pauses == [1, 2, 4, 8, 16, 16, 16]


def test_a_store_that_was_merely_slower_than_enough_others_is_not_blamed():
    standing = StoreStanding()
    for _ in range(5):
        assert standing.heed(1, [_failed(is_surplus=True)]) == []
    assert _paused(standing) == []


def test_it_goes_on_from_what_was_kept():
    standing = StoreStanding()
    for _ in range(2):
        standing.heed(1, [_failed(), _failed("south")])
    again = StoreStanding(standing.to_json())
    assert len(again.heed(2, [_failed()])) == 1
    assert not again.is_paused("south", 3)
