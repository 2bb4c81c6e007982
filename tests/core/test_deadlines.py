from __future__ import annotations

from random import Random

from changeover.core.deadlines import Deadlines, next_tick


def pop_all(deadlines: Deadlines, now: int) -> list[tuple[str, int]]:
    popped = []
    while (due := deadlines.pop_due(now)) is not None:
        (purpose, _), at = due
        popped.append((purpose, at))
    return popped


def test_timers_fire_in_order_and_ties_in_the_order_of_their_setting() -> None:
    deadlines = Deadlines()
    for purpose, at in (("late", 30), ("b", 20), ("a", 20), ("early", 10)):
        deadlines.set((purpose, 0), at)
    assert deadlines.next() == 10
    assert pop_all(deadlines, 25) == [("early", 10), ("b", 20), ("a", 20)]
    assert deadlines.next() == 30
    assert deadlines.pop_due(29) is None


def test_a_name_has_one_deadline() -> None:
    deadlines = Deadlines()
    deadlines.set(("x", 1), 10)
    deadlines.set(("x", 1), 30)
    assert (len(deadlines), deadlines.next(), deadlines.get(("x", 1))) == (1, 30, 30)
    deadlines.set(("x", 1), 5)
    assert pop_all(deadlines, 100) == [("x", 5)]
    assert deadlines.next() is None


def test_a_cleared_timer_never_fires() -> None:
    deadlines = Deadlines()
    deadlines.set(("x", 1), 10)
    deadlines.clear(("x", 1))
    deadlines.clear(("never", 1))
    assert deadlines.next() is None
    assert deadlines.pop_due(100) is None
    assert deadlines.get(("x", 1)) is None


def test_the_heap_stays_small_however_often_timers_move_and_agrees_with_a_plain_table() -> None:
    rng = Random(1)
    deadlines, plain = Deadlines(), {}
    for _ in range(5000):
        name, at = ("t", rng.randrange(10)), rng.randrange(1000)
        if rng.random() < 0.2:
            deadlines.clear(name)
            plain.pop(name, None)
        else:
            deadlines.set(name, at)
            plain[name] = at
        assert deadlines.next() == min(plain.values(), default=None)
        assert len(deadlines._heap) <= 64 + 4 * 10 + 1
    assert len(deadlines) == len(plain)


def test_a_free_running_timer_keeps_its_phase_and_makes_up_no_missed_tick() -> None:
    assert next_tick(100, 50, 100) == 150
    assert next_tick(100, 50, 149) == 150
    assert next_tick(100, 50, 150) == 200
    assert next_tick(100, 50, 1234) == 1250
