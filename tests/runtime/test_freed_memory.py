from tff_retail.runtime.freed_memory import FreedMemory


def _counted(every_bytes: int) -> tuple[FreedMemory, list[int]]:
    freed = FreedMemory(every_bytes)
    calls: list[int] = []
    freed._trim = calls.append  # what glibc gives back depends on what else the process did
    return freed, calls


def test_memory_is_given_back_every_so_many_bytes():
    freed, calls = _counted(100)
    for num_bytes in (60, 39, 1, 99, 1):
        freed.count(num_bytes)
    assert calls == [0, 0]


def test_memory_is_given_back_at_the_end_of_a_round_and_counted_anew():
    freed, calls = _counted(100)
    freed.count(99)
    freed.give_back()
    freed.count(99)
    assert calls == [0]


def test_the_systems_own_call_is_there_or_does_nothing():
    FreedMemory(1).count(1)
