"""The virtual world's kernels, where the network stack decides about a silent peer (D2)."""

from changeover.model.moment import MILLISECOND, SECOND, milliseconds
from changeover.model.stack import LinuxStack, WindowsStack
from changeover.simulation.stacks import Linux, Sender, Stack, Windows
from changeover.simulation.world import World


class Line:
    """A sender whose repetitions are written down."""

    def __init__(self, stack: Stack) -> None:
        self.world = World()
        self.repeated: list[float] = []
        self.died: list[float] = []
        self.sender = Sender(
            self.world,
            stack,
            MILLISECOND // 10,
            lambda: self.repeated.append(self.now),
            lambda: self.died.append(self.now),
        )

    @property
    def now(self) -> float:
        return self.world.now / SECOND


def test_windows_repeats_five_times_and_gives_up_after_the_sixth_wait():
    line = Line(Windows(WindowsStack()))
    line.sender.sent()
    line.world.run(60 * SECOND)
    assert line.repeated == [0.2, 0.6, 1.4, 3.0, 6.2]
    assert line.died == [12.6]


def test_windows_without_retransmissions_gives_up_after_one_wait():
    line = Line(Windows(WindowsStack(data_retransmissions=0)))
    line.sender.sent()
    line.world.run(SECOND)
    assert (line.repeated, line.died) == ([], [0.2])


def test_linux_probes_repeats_and_gives_up_at_the_first_expiry_beyond_the_bound():
    line = Line(Linux(LinuxStack(retries2=3), MILLISECOND // 10, 0))
    line.sender.sent()
    line.world.run(60 * SECOND)
    assert len(line.repeated) == 5, "a probe and four repetitions"
    assert 0.2 < line.repeated[0] < 0.21
    assert 6.5 < line.died[0] < 6.9


def test_what_is_acknowledged_is_not_repeated_and_what_is_left_starts_anew():
    line = Line(Windows(WindowsStack()))
    line.sender.sent()
    line.sender.sent()
    line.world.run(milliseconds(300))
    line.sender.acknowledged(1)
    line.world.run(milliseconds(520))
    assert line.repeated == [0.2, 0.5]
    line.sender.acknowledged(1)
    line.world.run(60 * SECOND)
    assert (line.repeated, line.died) == ([0.2, 0.5], [])


def test_with_several_frames_under_way_linux_probes_at_once():
    line = Line(Linux(LinuxStack(retries2=3), MILLISECOND // 10, 0))
    line.sender.sent()
    line.sender.sent()
    line.world.run(milliseconds(100))
    assert len(line.repeated) == 1


def test_connects_fail_when_their_system_says_so():
    assert Windows(WindowsStack()).connect_until(SECOND) == 22 * SECOND
    fails = Linux(LinuxStack(syn_retries=3), MILLISECOND, 0).connect_until(0)
    assert 19.3 * SECOND < fails < 19.6 * SECOND
