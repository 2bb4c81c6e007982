"""Which block reads fetch a set of values at the least cost.

The cost of a read is what it puts on the wire, in bytes: its registers (2 each) or bits (1/8 each), and for
the request itself `REQUEST_BYTES`. A gap between two values is bridged, read and thrown away, when that is
cheaper than a second request; so up to 76 registers are. The plan is the cheapest there is under the
protocol's bounds (125 registers, 2000 bits), not a greedy guess: where a bound forces a cut, the cut goes to
the widest gap that helps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from changeover.drivers.modbus import codec
from changeover.drivers.modbus.address import ModbusAddress

REQUEST_BYTES = 153
"""A request of 12 bytes, the answer's head of 9, and 66 bytes of Ethernet, IP and TCP headers both ways."""


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """One read request; equal blocks of several clients are one read.

    Attributes:
        function: 1 to 4.
        unit_id: Modbus unit id.
        start: First register or bit, from 0.
        count: 1 to 125 registers or 2000 bits.
    """

    function: int
    unit_id: int
    start: int
    count: int

    @property
    def is_bits(self) -> bool:
        """Whether it reads coils or discrete inputs."""
        return self.function in codec.BIT_READS

    @property
    def payload_bytes(self) -> int:
        """Bytes that the answer's payload must have."""
        return (self.count + 7) // 8 if self.is_bits else 2 * self.count

    def encode(self, transaction: int) -> bytes:
        """The request's frame, for a transaction id of 0 to 65535."""
        return codec.encode_read(transaction, self.unit_id, self.function, self.start, self.count)

    def mismatch(self, response: codec.Response) -> str:
        """Why a response does not answer this read, empty where it does or is an exception."""
        return codec.mismatch(self.function, self.unit_id, self.payload_bytes, response)


def block_cost(block: Block, request_bytes: float = REQUEST_BYTES) -> float:
    """Bytes that one read puts on the wire, by the cost model of this module."""
    return request_bytes + block.count * _item_bytes(block.function)


def plan_blocks(
    addresses: Iterable[ModbusAddress], request_bytes: float = REQUEST_BYTES
) -> tuple[Block, ...]:
    """The cheapest set of reads that covers every address; no value straddles two of them.

    Args:
        addresses: Any order, repeats and overlaps allowed.
        request_bytes: Cost of one request in bytes. 0 bridges no gap, for devices that refuse reads of
            numbers which they do not have.

    Returns:
        Blocks ordered by function, unit id and start.
    """
    tables: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for address in addresses:
        spans = tables.setdefault((address.function, address.unit_id), set())
        spans.add((address.start, address.start + address.count))
    blocks: list[Block] = []
    for (function, unit_id), spans in sorted(tables.items()):
        limit = codec.READ_BITS_MAX if function in codec.BIT_READS else codec.READ_REGISTERS_MAX
        pieces = _cheapest_cover(_outermost(spans), limit, request_bytes / _item_bytes(function))
        blocks.extend(Block(function, unit_id, start, end - start) for start, end in pieces)
    return tuple(blocks)


def _item_bytes(function: int) -> float:
    return 1 / 8 if function in codec.BIT_READS else 2.0


def _outermost(spans: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that no other contains, by rising start; then their ends rise too."""
    kept: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not kept or end > kept[-1][1]:
            kept.append((start, end))
    return kept


def _cheapest_cover(spans: list[tuple[int, int]], limit: int, request: float) -> list[tuple[int, int]]:
    """Cut rising spans into runs of at most `limit` items: least cost, then fewest, then full runs first.

    best[i] is the least cost of the first i spans. A run from j to i costs request + end(i) - start(j), so
    the best j for i is the least best[j] - start(j) of those that still fit: a sliding window's minimum,
    which makes the whole plan linear in the number of spans.
    """
    best: list[tuple[float, int]] = [(0.0, 0)]
    first_of_run: list[int] = []
    window: deque[tuple[float, int, int]] = deque()
    for index, (start, end) in enumerate(spans):
        cost, runs = best[index]
        candidate = (cost - start, runs, -index)
        while window and window[-1] >= candidate:
            window.pop()
        window.append(candidate)
        while end - spans[-window[0][2]][0] > limit:
            window.popleft()
        offset, runs_before, negative_first = window[0]
        best.append((offset + end + request, runs_before + 1))
        first_of_run.append(-negative_first)
    runs_found: list[tuple[int, int]] = []
    last = len(spans) - 1
    while last >= 0:
        first = first_of_run[last]
        runs_found.append((spans[first][0], spans[last][1]))
        last = first - 1
    return runs_found[::-1]
