from tff_retail.transport.reconnect_delays import ReconnectDelays


def test_bounds_double_up_to_the_largest():
    delays = ReconnectDelays(1.0, 10.0, draw=lambda: 0.5)
    assert [delays.next_s() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_sound_connection_starts_the_bounds_again():
    delays = ReconnectDelays(1.0, 10.0, draw=lambda: 1.0)
    lasted = (0, 4.9, 5, 0)
    assert [delays.next_s(attended_s) for attended_s in lasted] == [1.0, 2.0, 1.0, 2.0]


def test_a_store_that_attended_comes_back_soon_however_long_it_was_kept_out_before():
    delays = ReconnectDelays(1.0, 60.0, draw=lambda: 1.0)
    assert [delays.next_s() for _ in range(8)][-1] == 60.0
    assert delays.next_s(30.0) == 1.0


def test_delays_are_drawn_from_zero_on():
    draws = iter([0.0, 0.25, 0.999])
    delays = ReconnectDelays(8.0, 8.0, draw=lambda: next(draws))
    assert [delays.next_s() for _ in range(3)] == [0.0, 2.0, 7.992]
