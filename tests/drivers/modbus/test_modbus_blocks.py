"""The read planner: covers everything, within bounds, at the least cost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from changeover.drivers.modbus import codec
from changeover.drivers.modbus.address import ModbusAddress
from changeover.drivers.modbus.blocks import REQUEST_BYTES, Block, block_cost, plan_blocks
from changeover.drivers.modbus.codec import Response


@st.composite
def addresses(draw: st.DrawFn, reach: int = 2000) -> ModbusAddress:
    function = draw(st.integers(1, 4))
    count = 1 if function <= 2 else draw(st.sampled_from((1, 1, 2, 4, 60, 123)))
    start = draw(st.integers(0, (10 * reach if function <= 2 else reach) - count))
    return ModbusAddress(function, draw(st.sampled_from((1, 1, 7))), start, count)


def inside(address: ModbusAddress, block: Block) -> bool:
    return (
        (address.function, address.unit_id) == (block.function, block.unit_id)
        and block.start <= address.start
        and address.start + address.count <= block.start + block.count
    )


@given(st.lists(addresses(), max_size=60), st.sampled_from((0, REQUEST_BYTES, 5000)))
def test_every_value_lies_whole_in_a_block_within_bounds(
    wanted: list[ModbusAddress], request_bytes: float
) -> None:
    blocks = plan_blocks(wanted, request_bytes)
    assert all(any(inside(address, block) for block in blocks) for address in wanted)
    assert all(1 <= block.count <= (2000 if block.is_bits else 125) for block in blocks)
    assert all(any(inside(address, block) for address in wanted) for block in blocks)


@given(st.lists(addresses(), max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_tags_does_not_matter(wanted: list[ModbusAddress], rng: object) -> None:
    blocks = plan_blocks(wanted)
    assert list(blocks) == sorted(blocks)
    shuffled = list(wanted)
    rng.shuffle(shuffled)
    assert plan_blocks(shuffled + wanted) == blocks


@given(st.lists(addresses(), max_size=60))
def test_never_worse_than_one_request_per_value(wanted: list[ModbusAddress]) -> None:
    single = {Block(a.function, a.unit_id, a.start, a.count) for a in wanted}
    blocks = plan_blocks(wanted)
    assert len(blocks) <= len(single)
    assert sum(map(block_cost, blocks)) <= sum(map(block_cost, single))


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from((1, 2, 4))).map(
            lambda pair: ModbusAddress(3, 1, pair[0], pair[1])
        ),
        min_size=1,
        max_size=9,
    )
)
def test_no_way_to_cut_is_cheaper(wanted: list[ModbusAddress]) -> None:
    spans = sorted({(a.start, a.start + a.count) for a in wanted})
    cheapest = float("inf")
    for cuts in range(1 << (len(spans) - 1)):
        runs: list[list[tuple[int, int]]] = [[spans[0]]]
        for place, span in enumerate(spans[1:]):
            if cuts >> place & 1:
                runs.append([span])
            else:
                runs[-1].append(span)
        sizes = [max(end for _, end in run) - run[0][0] for run in runs]
        if max(sizes) <= 125:
            cheapest = min(cheapest, sum(REQUEST_BYTES + 2 * size for size in sizes))
    assert sum(map(block_cost, plan_blocks(wanted))) <= cheapest


def holding(*starts: int, count: int = 1) -> list[ModbusAddress]:
    return [ModbusAddress(3, 1, start, count) for start in starts]


def test_a_gap_of_76_registers_is_bridged_and_one_of_77_is_not() -> None:
    assert plan_blocks(holding(0, 77)) == (Block(3, 1, 0, 78),)
    assert plan_blocks(holding(0, 78)) == (Block(3, 1, 0, 1), Block(3, 1, 78, 1))


def test_request_cost_0_bridges_nothing_but_joins_neighbours() -> None:
    assert plan_blocks(holding(0, 1, 3), request_bytes=0) == (Block(3, 1, 0, 2), Block(3, 1, 3, 1))


def test_the_cut_goes_where_the_gap_is() -> None:
    # A greedy plan reads 0 to 124 and then 125 to 199; the gap between 60 and 100 need not be read at all.
    wanted = holding(*range(60), *range(100, 200))
    assert plan_blocks(wanted) == (Block(3, 1, 0, 60), Block(3, 1, 100, 100))


def test_no_double_straddles_two_blocks() -> None:
    blocks = plan_blocks(holding(*range(0, 252, 4), count=4))
    assert blocks == (Block(3, 1, 0, 124), Block(3, 1, 124, 124), Block(3, 1, 248, 4))


def test_2000_registers_are_16_requests() -> None:
    blocks = plan_blocks(holding(*range(2000)))
    assert [block.count for block in blocks] == [125] * 16
    assert all(a.start + a.count == b.start for a, b in pairwise(blocks))


def test_units_and_functions_are_read_apart() -> None:
    wanted = [ModbusAddress(function, unit, 0, 1) for unit in (2, 1) for function in (4, 3, 2, 1)]
    assert plan_blocks(wanted) == tuple(Block(f, u, 0, 1) for f in (1, 2, 3, 4) for u in (1, 2))


def test_a_block_encodes_itself_and_judges_its_answer() -> None:
    block = Block(1, 9, 5, 17)
    assert block.encode(3) == codec.encode_read(3, 9, 1, 5, 17)
    assert block.payload_bytes == 3
    assert block.mismatch(Response(3, 9, 1, bytes(3), 0)) == ""
    assert "2 bytes answered" in block.mismatch(Response(3, 9, 1, bytes(2), 0))
    assert len({block, Block(1, 9, 5, 17)}) == 1
