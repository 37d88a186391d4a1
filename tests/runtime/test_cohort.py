from tff_retail.runtime import cohort


def test_a_cohort_is_a_function_of_its_arguments_alone():
    # Pinned: a run that was stopped goes on with the cohorts it would have had.
    rounds = [cohort.draw_cohort(10, 3, seed=1, round_num=round_num) for round_num in (1, 2, 3)]
    assert rounds == PINNED
    assert cohort.draw_cohort(10, 3, seed=1, round_num=1, attempt=1) == PINNED_SECOND_ATTEMPT
    assert cohort.draw_cohort(10, 3, seed=2, round_num=1) == PINNED_OTHER_SEED


PINNED = [[2, 4, 5], [2, 3, 7], [2, 6, 7]]
PINNED_SECOND_ATTEMPT = [3, 5, 9]
PINNED_OTHER_SEED = [0, 2, 6]


def test_everybody_is_in_a_cohort_of_all():
    assert cohort.draw_cohort(4, 4, seed=1, round_num=1) == [0, 1, 2, 3]
    assert cohort.draw_cohort(0, 0, seed=1, round_num=1) == []


def test_each_store_is_asked_as_often_as_any_other():
    times = [0] * 5
    for round_num in range(1, 1001):
        chosen = cohort.draw_cohort(5, 2, seed=3, round_num=round_num)
        assert chosen == sorted(set(chosen))
        for position in chosen:
            times[position] += 1
    # 400 expected, with a standard deviation of 15.5; this is five of them.
    assert all(322 < count < 478 for count in times)
