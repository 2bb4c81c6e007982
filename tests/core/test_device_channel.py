"""Playbooks of one device channel (D5, D6, I6, I8). τ = 100 ms; watch ticks at 1000 ms, 2000 ms, …"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from changeover.core.deadlines import Deadlines
from changeover.core.device_channel import ChannelState, Connection, DeviceChannel
from changeover.core.machine import DeviceAnswered, DeviceClosed, DeviceConnected
from changeover.model.device import DriverTiming, OfflineRule
from changeover.model.moment import MILLISECOND, SECOND, Instant
from core.playbook import Alone, DeviceBlock, Playbook

UP = DeviceConnected("U")
DOWN = DeviceClosed("U")


def answer(ticket: int, refused: str = "") -> DeviceAnswered:
    return DeviceAnswered("U", ticket, refused)


def timing(retry: int = 0, rule: OfflineRule = OfflineRule.PER_REQUEST, max_pending: int = 2) -> DriverTiming:
    return DriverTiming(100 * MILLISECOND, retry, rule, SECOND, max_pending)


def a_channel(driver: DriverTiming | None = None, probes_idle: bool = True) -> tuple[DeviceChannel, Playbook]:
    tickets = count(1)
    channel = DeviceChannel(
        "U", driver or timing(), DeviceBlock("probe"), probes_idle, Deadlines(), lambda: next(tickets)
    )
    play = Playbook(Alone(channel))
    play.call(0, lambda now: channel.start(SECOND, now), "connect U")
    return channel, play


def an_online_channel(
    driver: DriverTiming | None = None, probes_idle: bool = True
) -> tuple[DeviceChannel, Playbook]:
    channel, play = a_channel(driver, probes_idle)
    play(1, UP, "U #1 probe")
    play(2, answer(1), "online")
    assert channel.state is ChannelState.ONLINE
    return channel, play


def read(
    channel: DeviceChannel, waiter: str, *blocks: str, until: Instant = 0
) -> Callable[[Instant], tuple[object, ...]]:
    return lambda now: channel.request(tuple(map(DeviceBlock, blocks)), waiter, now, until)


# --- starting ---


def test_a_unit_is_online_when_it_has_delivered_and_not_when_it_is_connected() -> None:
    channel, play = a_channel()
    play(1, UP, "U #1 probe")
    assert channel.state is ChannelState.STARTING
    play(2, answer(1), "online")
    assert channel.state is ChannelState.ONLINE


def test_a_client_that_asks_while_the_unit_starts_waits_and_spares_the_probe() -> None:
    channel, play = a_channel()
    play.call(0, read(channel, "a", "x"))
    play(1, UP, "U #1 x")
    play(2, answer(1), "online", "completed a")


def test_a_device_that_never_answers_is_offline_without_ever_having_been_online() -> None:
    channel, play = a_channel()
    play.call(0, read(channel, "a", "x"))
    play.wait(100, "disconnect U", "offline sent=[] unsent=['a']")
    assert channel.state is ChannelState.OFFLINE


# --- reads ---


def test_equal_reads_are_merged_queued_or_in_flight() -> None:
    channel, play = an_online_channel(timing(max_pending=1))
    play.call(10, read(channel, "a", "x", "y"), "U #2 x")
    play.call(11, read(channel, "b", "y", "x"))
    play(12, answer(2), "U #3 y")
    play.call(13, read(channel, "c", "y"))
    play(14, answer(3), "completed a", "completed b", "completed c")


def test_nothing_is_answered_from_a_cache_a_read_after_the_answer_is_sent_anew() -> None:
    channel, play = an_online_channel()
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play(11, answer(2), "completed a")
    play.call(12, read(channel, "b", "x"), "U #3 x")
    play(13, answer(3), "completed b")


def test_no_more_than_max_pending_blocks_are_in_flight() -> None:
    channel, play = an_online_channel(timing(max_pending=2))
    play.call(10, read(channel, "a", "x", "y", "z", "w"), "U #2 x", "U #3 y")
    play(11, answer(3), "U #4 z")
    play(12, answer(2), "U #5 w")
    play(13, answer(5))
    play(14, answer(4), "completed a")


def test_an_exception_of_the_device_is_an_answer_and_is_told() -> None:
    channel, play = an_online_channel()
    play.call(10, read(channel, "a", "x", "y"), "U #2 x", "U #3 y")
    play(11, answer(2, "illegal address"))
    play(12, answer(3), "completed a refused: illegal address")
    assert channel.timeouts == 0


def test_a_waiter_that_is_gone_is_told_nothing_its_block_is_still_read_for_others() -> None:
    channel, play = an_online_channel()
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play.call(11, read(channel, "b", "x"))
    channel.forget("a")
    play(12, answer(2), "completed b")


# --- D5 ---


def test_d5_without_retry_one_time_out_takes_the_unit_offline() -> None:
    channel, play = an_online_channel()
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play.wait(110, "disconnect U", "offline sent=['a'] unsent=[]")
    assert channel.state is ChannelState.OFFLINE


def test_d5_retries_follow_at_once_on_the_same_connection() -> None:
    channel, play = an_online_channel(timing(retry=2))
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play.wait(110, "U #3 x")
    play.wait(210, "U #4 x")
    assert channel.connection is Connection.UP
    play.wait(310, "disconnect U", "offline sent=['a'] unsent=[]")


def test_d5_squared_four_time_outs_for_one_retry() -> None:
    channel, play = an_online_channel(timing(retry=1, rule=OfflineRule.SQUARED))
    play.call(10, read(channel, "a", "x"), "U #2 x")
    for n in (1, 2, 3):
        play.wait(10 + 100 * n, f"U #{n + 2} x")
    play.wait(410, "disconnect U", "offline sent=['a'] unsent=[]")


def test_d5_parallel_expiries_count_once_and_all_are_sent_again() -> None:
    channel, play = an_online_channel(timing(retry=1))
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play.call(50, read(channel, "b", "y"), "U #3 y")
    play.wait(110, "U #4 x", "U #5 y")
    assert channel.timeouts == 1
    play.wait(210, "disconnect U", "offline sent=['a', 'b'] unsent=[]")


def test_d5_the_time_out_is_that_of_the_oldest_block() -> None:
    channel, play = an_online_channel()
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play.call(60, read(channel, "b", "y"), "U #3 y")
    play(100, answer(2), "completed a")
    play.wait(160, "disconnect U", "offline sent=['b'] unsent=[]")


def test_d5_any_answer_sets_the_count_to_zero() -> None:
    channel, play = an_online_channel(timing(retry=1))
    play.call(10, read(channel, "a", "x", "y"), "U #2 x", "U #3 y")
    play.wait(110, "U #4 x", "U #5 y")
    play(150, answer(5))
    play.wait(210, "U #6 x")
    assert channel.timeouts == 1
    play(220, answer(6), "completed a")
    assert channel.timeouts == 0


def test_d5_a_late_answer_to_an_earlier_attempt_proves_the_device_alive() -> None:
    channel, play = an_online_channel(timing(retry=1))
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play.wait(110, "U #3 x")
    play(120, answer(2), "completed a")
    assert channel.timeouts == 0
    play(121, answer(3))
    play.call(130, read(channel, "b", "x"), "U #4 x")
    play.wait(230, "U #5 x")


def test_d5_who_waited_and_had_nothing_transmitted_is_told_apart() -> None:
    channel, play = an_online_channel(timing(max_pending=1))
    play.call(10, read(channel, "a", "x", "y"), "U #2 x")
    play.call(11, read(channel, "b", "z"))
    play.wait(110, "disconnect U", "offline sent=['a'] unsent=['b']")


def test_a_waiter_whose_first_block_was_answered_already_counts_as_transmitted() -> None:
    channel, play = an_online_channel(timing(max_pending=1))
    play.call(10, read(channel, "w", "write1", "write2"), "U #2 write1")
    play.call(11, read(channel, "a", "x"))
    play(20, answer(2), "U #3 write2")
    play(30, DOWN, "disconnect U", "offline sent=['w'] unsent=['a']")


# --- D6 ---


def test_d6_a_reset_is_one_immediate_time_out() -> None:
    channel, play = an_online_channel()
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play(20, DOWN, "disconnect U", "offline sent=['a'] unsent=[]")


def test_d6_with_a_retry_the_next_attempt_reconnects_and_sends_again() -> None:
    channel, play = an_online_channel(timing(retry=1))
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play(20, DOWN, "connect U")
    play(21, UP, "U #3 x")
    play(22, answer(3), "completed a")
    assert channel.timeouts == 0


def test_d6_refused_again_and_again_is_offline_at_once() -> None:
    channel, play = an_online_channel(timing(retry=1, rule=OfflineRule.SQUARED))
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play(20, DOWN, "connect U")
    play(21, DOWN, "connect U")
    play(22, DOWN, "connect U")
    play(23, DOWN, "disconnect U", "offline sent=['a'] unsent=[]")


def test_d6_a_reset_while_nothing_is_asked_is_found_and_mended_by_itself() -> None:
    channel, play = an_online_channel(timing(retry=1))
    play(20, DOWN, "connect U")
    play(21, UP, "U #2 probe")
    play(22, answer(2))
    assert (channel.state, channel.timeouts) == (ChannelState.ONLINE, 0)


def test_d5_a_connect_into_silence_is_a_time_out_too() -> None:
    channel, play = an_online_channel(timing(retry=2))
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play(20, DOWN, "connect U")
    play.wait(120, "connect U")
    play.wait(220, "disconnect U", "offline sent=['a'] unsent=[]")


# --- I6, I8: the watch ---


def an_offline_channel() -> tuple[DeviceChannel, Playbook]:
    channel, play = an_online_channel()
    play(20, DOWN, "disconnect U", "offline sent=[] unsent=[]")
    return channel, play


def test_i6_an_offline_unit_is_tried_at_each_watch_tick_and_once_only() -> None:
    channel, play = an_offline_channel()
    play.wait(1000, "connect U")
    assert channel.state is ChannelState.TRYING
    play(1001, DOWN, "disconnect U")
    play.wait(2000, "connect U")
    play.wait(2100, "disconnect U")
    play.wait(3000, "connect U")
    play(3001, UP, "U #2 probe")
    play.wait(3101, "disconnect U")
    assert channel.state is ChannelState.OFFLINE


def test_i6_a_unit_is_online_again_only_with_valid_data() -> None:
    channel, play = an_offline_channel()
    play.wait(1000, "connect U")
    play(1001, UP, "U #2 probe")
    assert not channel.serves
    play(1002, answer(2), "online")
    assert channel.serves


def test_an_answer_that_comes_after_the_unit_was_given_up_is_ignored() -> None:
    channel, play = an_online_channel()
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play.wait(110, "disconnect U", "offline sent=['a'] unsent=[]")
    play(120, answer(2))
    assert channel.state is ChannelState.OFFLINE


def test_news_of_the_network_tries_an_offline_unit_at_once_and_no_other() -> None:
    channel, play = an_offline_channel()
    play.call(500, channel.try_now, "connect U")
    play(501, UP, "U #2 probe")
    play(502, answer(2), "online")
    play.call(510, channel.try_now)


def test_news_while_a_try_is_under_way_starts_it_anew() -> None:
    channel, play = an_offline_channel()
    play.wait(1000, "connect U")
    play.call(1050, channel.try_now, "connect U")
    play.wait(1150, "disconnect U")
    play.wait(2000, "connect U")


def test_i8_an_idle_standby_is_probed_at_each_watch_tick() -> None:
    _, play = an_online_channel()
    play.wait(1000, "U #2 probe")
    play(1001, answer(2))
    play.wait(2000, "U #3 probe")
    play.wait(2100, "disconnect U", "offline sent=[] unsent=[]")


def test_i8_a_unit_that_clients_read_is_not_probed() -> None:
    channel, play = an_online_channel()
    play.call(900, read(channel, "a", "x", until=1400 * MILLISECOND), "U #2 x")
    play(901, answer(2), "completed a")
    play.wait(1500)
    play.wait(2000, "U #3 probe")


def test_i8_without_watchdog_a_standby_is_not_probed_but_an_offline_one_is_tried() -> None:
    _, play = an_online_channel(probes_idle=False)
    play.wait(3500)
    play(3600, DOWN, "disconnect U", "offline sent=[] unsent=[]")
    play.wait(4000, "connect U")


def test_the_devices_time_out_starts_anew_when_its_server_did_not_run() -> None:
    channel, play = an_online_channel()
    play.call(10, read(channel, "a", "x"), "U #2 x")
    play.sleep(500)
    channel.excuse(500 * MILLISECOND)
    play.late()
    play.wait(599)
    play.wait(600, "disconnect U", "offline sent=['a'] unsent=[]")
