"""The stacks' own arithmetic (D2), against what Linux 6.18 did when a port behind a switch was cut."""

from dataclasses import replace

import pytest

from changeover.forecast.stacks import linux_connect, linux_gives_up, windows_connect, windows_gives_up
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.stack import LinuxStack, WindowsStack

LAN = MILLISECOND // 10


@pytest.mark.parametrize(
    ("retries2", "measured"),
    [
        (0, (0.825, 0.838)),
        (1, (1.669, 1.672)),
        (2, (3.324, 3.347)),
        (3, (6.627, 6.857)),
        (4, (6.682, 6.822)),
        (5, (13.428, 13.479)),
        (6, (26.733, 26.8)),
        (8, (108.2, 108.2)),
    ],
)
def test_linux_gives_up_where_it_was_measured(retries2, measured):
    found = linux_gives_up(LinuxStack(retries2=retries2), LAN)
    assert found.minimum <= measured[0]
    assert measured[1] <= found.maximum + 0.003
    assert found.maximum - found.minimum <= 0.1 * found.minimum + 0.2


def test_it_is_the_first_expiry_beyond_the_bound_and_not_the_bound():
    """Three retries stand for 3.0 s: the fourth expiry is 2.9 s beyond the first, so the fifth is the end."""
    found = linux_gives_up(LinuxStack(retries2=3), LAN)
    assert found.minimum > 31 * 0.204


def test_a_longer_round_trip_may_end_it_an_expiry_earlier():
    """With an RTO of 240 ms the fourth expiry lies beyond 3.0 s already."""
    near, far = (linux_gives_up(LinuxStack(retries2=3), trip * MILLISECOND) for trip in (1, 40))
    assert 3.0 < far.minimum < far.maximum < 4.5 < near.minimum


def test_with_several_segments_under_way_the_loss_probe_goes_at_once():
    one, several = (linux_gives_up(LinuxStack(retries2=5), LAN, several) for several in (False, True))
    assert one.minimum - several.minimum == pytest.approx(0.2, abs=0.04)


def test_no_wait_of_linux_is_longer_than_two_minutes():
    found = linux_gives_up(LinuxStack(), LAN)
    assert 924.6 < found.minimum < found.maximum < 950
    assert linux_gives_up(LinuxStack(retries2=255), LAN).maximum < 940 + 240 * 122


@pytest.mark.parametrize(
    ("retries", "linear", "measured"),
    [
        (1, 0, (3.036, 3.044)),
        (1, 4, (3.068, 3.076)),
        (2, 0, (7.164, 7.172)),
        (2, 4, (7.132, 7.14)),
        (3, 4, (19.456, 19.46)),
    ],
)
def test_a_connect_of_linux_fails_where_it_was_measured(retries, linear, measured):
    found = linux_connect(LinuxStack(syn_retries=retries, linear_syns=linear), (0.0, 0.0))
    assert found.minimum <= measured[0] <= measured[1] <= found.maximum


@pytest.mark.parametrize(
    ("since", "measured"), [(13.4, 14.336), (26.776, 14.332), (26.733, 22.524), (6.7, 38.65)]
)
def test_a_host_that_no_arp_finds_ends_the_connect(since, measured):
    """Connects of 127 s that began so long after the cut: EHOSTUNREACH came first."""
    found = linux_connect(LinuxStack(syn_retries=6), (since, since))
    assert found.minimum <= measured <= found.maximum


def test_a_connect_long_after_the_fault_takes_three_questions():
    found = linux_connect(LinuxStack(), (900.0, 950.0))
    assert found.minimum <= 3.072 <= found.maximum < 3.2


@pytest.mark.parametrize(
    ("retransmissions", "rto_ms", "seconds"), [(5, 200, 12.6), (5, 3000, 189.0), (3, 300, 4.5)]
)
def test_windows_counts(retransmissions, rto_ms, seconds):
    found = windows_gives_up(WindowsStack(data_retransmissions=retransmissions, rto=rto_ms * MILLISECOND))
    assert (found.minimum, found.maximum) == pytest.approx((seconds, seconds))


@pytest.mark.parametrize(("retransmissions", "seconds"), [(2, 21.0), (1, 9.0), (0, 3.0)])
def test_a_connect_of_windows_doubles_from_three_seconds(retransmissions, seconds):
    stack = WindowsStack(connect_retransmissions=retransmissions)
    assert windows_connect(stack).maximum == seconds
    slow = replace(stack, initial_rtt=5 * SECOND)
    assert windows_connect(slow).maximum == pytest.approx(seconds * 5 / 3)


def test_the_patience_of_a_stack_is_a_little_more_than_it_takes():
    """Outages in drills last so long: who is struck must be known to be lost (docs/decisions/0014)."""
    for retries2 in range(16):
        stack = LinuxStack(retries2=retries2)
        found = linux_gives_up(stack, LAN)
        assert found.maximum < stack.patience / SECOND < 3 * found.maximum


def test_no_wait_of_windows_is_longer_than_four_minutes():
    found = windows_gives_up(WindowsStack(data_retransmissions=255, rto=3 * SECOND))
    assert found.maximum < 256 * 240


def test_the_longest_settings_take_no_time():
    stack = LinuxStack(retries2=255, tick=MILLISECOND, rto=120 * SECOND)
    assert linux_gives_up(stack, 10 * SECOND, False, 10 * SECOND).maximum > 3600
