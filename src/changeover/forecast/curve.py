"""Cumulative distributions as piecewise polynomials.

Constants, uniforms and everything that sums, maxima and minima make of them have cumulative distributions
that are polynomials between breakpoints, with a jump where a constant has its atom. So nothing needs to be
sampled: sums convolve, maxima and minima multiply, and each is a piecewise polynomial again.

Each piece keeps Bernstein coefficients of its own interval. Cutting and multiplying pieces averages them, and
so adds no cancellation however different the widths (0.002 s beside 30 s); monomials in absolute time would
lose every digit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import comb, cos, pi, prod

Coefficients = tuple[float, ...]

_HALVINGS = 52
"""Bisection steps: a double has no more bits to find."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A cumulative distribution function, in seconds.

    Attributes:
        knots: Increasing breakpoints; 0 before the first, 1 from the last on. A single knot is an atom.
        pieces: Bernstein coefficients of each interval between two knots, all of one degree.
    """

    knots: tuple[float, ...]
    pieces: tuple[Coefficients, ...]

    def cdf(self, x: float) -> float:
        """The probability of at most `x` seconds."""
        knots = self.knots
        if x >= knots[-1]:
            return 1.0
        if x < knots[0]:
            return 0.0
        index = bisect_right(knots, x) - 1
        width = knots[index + 1] - knots[index]
        return min(1.0, max(0.0, _value(self.pieces[index], (x - knots[index]) / width)))

    def quantile(self, p: float) -> float:
        """The least x in seconds with cdf(x) ≥ p, for 0 ≤ p ≤ 1."""
        for (start, end), piece in zip(pairwise(self.knots), self.pieces, strict=True):
            if piece[0] >= p:
                return start
            if piece[-1] >= p:
                return start + (end - start) * _bisect(piece, p)
        return self.knots[-1]

    def mean(self) -> float:
        """The expected value in seconds: the last knot less the area under the curve."""
        area = sum(
            (end - start) * sum(piece) / len(piece)
            for (start, end), piece in zip(pairwise(self.knots), self.pieces, strict=True)
        )
        return self.knots[-1] - area

    @property
    def degree(self) -> int:
        """The degree of the pieces."""
        return len(self.pieces[0]) - 1 if self.pieces else 0

    def over(self, start: float, end: float) -> Coefficients:
        """The curve as coefficients of one interval that holds no knot inside."""
        middle = (start + end) / 2
        if middle < self.knots[0]:
            return (0.0,) * (self.degree + 1)
        if middle >= self.knots[-1]:
            return (1.0,) * (self.degree + 1)
        index = bisect_right(self.knots, middle) - 1
        return _restricted(self.pieces[index], self.knots[index], self.knots[index + 1], start, end)


def atom(value: float) -> Curve:
    """The distribution of a constant, in seconds."""
    return Curve((value,), ())


def shifted(curve: Curve, offset: float) -> Curve:
    """The curve of X + offset, in seconds."""
    return Curve(tuple(knot + offset for knot in curve.knots), curve.pieces) if offset else curve


def smoothed(curve: Curve, width: float) -> Curve:
    """The curve of X + U(0, width), U independent: (G(x) − G(x − width)) / width, G the antiderivative."""
    if width <= 0:
        return curve
    knots = _merged([*curve.knots, *(knot + width for knot in curve.knots)])
    primitive = _Primitive.of(curve)
    pieces = []
    for start, end in pairwise(knots):
        upper, lower = primitive.over(start, end), primitive.over(start - width, end - width)
        pieces.append(tuple((high - low) / width for high, low in zip(upper, lower, strict=True)))
    return Curve(tuple(knots), tuple(pieces))


def largest(curves: Sequence[Curve]) -> Curve:
    """The curve of the maximum of independent parts: the product of their curves."""
    first, last = max(c.knots[0] for c in curves), max(c.knots[-1] for c in curves)
    return _combined(curves, first, last, lambda parts: _product_of(parts))


def smallest(curves: Sequence[Curve]) -> Curve:
    """The curve of the minimum of independent parts: the chance that not all of them are later."""
    first, last = min(c.knots[0] for c in curves), min(c.knots[-1] for c in curves)
    return _combined(
        curves, first, last, lambda parts: _complement(_product_of([_complement(p) for p in parts]))
    )


def mixed(parts: Sequence[tuple[float, Curve]]) -> Curve:
    """The curve of one of several, all of one degree, by the probability of each."""
    curves = [one for _, one in parts]
    first, last = min(c.knots[0] for c in curves), max(c.knots[-1] for c in curves)

    def combine(pieces: list[Coefficients]) -> Coefficients:
        shares = [share for share, _ in parts]
        return tuple(
            sum(share * figure for share, figure in zip(shares, column, strict=True))
            for column in zip(*pieces, strict=True)
        )

    return _combined(curves, first, last, combine)


def shared(own_early: Curve, own_late: Curve, others_late: Curve) -> Curve:
    """The curve of max(X + early, min(X, Y) + late), X and Y independent, early ≤ late.

    It is at most z when X + late is, or when X + early and Y + late both are: with F and G the curves of X
    and Y, F(z − late) + (F(z − early) − F(z − late)) · G(z − late).

    Args:
        own_early: Of X + early.
        own_late: Of X + late.
        others_late: Of Y + late.
    """
    first = max(own_early.knots[0], min(own_late.knots[0], others_late.knots[0]))
    last = min(own_late.knots[-1], max(own_early.knots[-1], others_late.knots[-1]))

    def combine(parts: list[Coefficients]) -> Coefficients:
        early, late, others = parts
        both, neither = _product(early, others), _product(late, _complement(others))
        return tuple(one + other for one, other in zip(both, neither, strict=True))

    return _combined((own_early, own_late, others_late), first, last, combine)


def convolved(one: Curve, other: Curve) -> Curve:
    """The curve of the sum of two independent parts.

    The result is a polynomial between the pairwise sums of knots, of the sum of both degrees. So it is
    integrated exactly at as many places as that degree needs, and read off from there.
    """
    if not other.pieces:
        return shifted(one, other.knots[0])
    if not one.pieces:
        return shifted(other, one.knots[0])
    knots = _merged([a + b for a in one.knots for b in other.knots])
    degree = one.degree + other.degree
    places = _places(degree)
    pieces = []
    for start, end in pairwise(knots):
        values = [_mass_below(one, other, start + (end - start) * place) for place in places]
        pieces.append(_through(values))
    return Curve(tuple(knots), tuple(pieces))


@dataclass(frozen=True, slots=True)
class _Primitive:
    """The antiderivative of a curve: 0 before the first knot, of slope 1 after the last."""

    knots: tuple[float, ...]
    pieces: tuple[Coefficients, ...]
    total: float

    @classmethod
    def of(cls, curve: Curve) -> _Primitive:
        total = 0.0
        pieces = []
        for (start, end), piece in zip(pairwise(curve.knots), curve.pieces, strict=True):
            step = (end - start) / len(piece)
            coefficients = [total]
            for value in piece:
                total += step * value
                coefficients.append(total)
            pieces.append(tuple(coefficients))
        return cls(curve.knots, tuple(pieces), total)

    def over(self, start: float, end: float) -> Coefficients:
        degree = len(self.pieces[0]) - 1 if self.pieces else 1
        middle = (start + end) / 2
        if middle < self.knots[0]:
            return (0.0,) * (degree + 1)
        if middle >= self.knots[-1]:
            first = self.total + start - self.knots[-1]
            return tuple(first + (end - start) * k / degree for k in range(degree + 1))
        index = bisect_right(self.knots, middle) - 1
        return _restricted(self.pieces[index], self.knots[index], self.knots[index + 1], start, end)


def _combined(
    curves: Sequence[Curve], first: float, last: float, combine: Callable[[list[Coefficients]], Coefficients]
) -> Curve:
    if last <= first:
        return atom(last)
    inside = [knot for curve in curves for knot in curve.knots if first < knot < last]
    knots = _merged([first, *inside, last])
    if len(knots) == 1:
        return atom(knots[0])
    pieces = tuple(combine([curve.over(start, end) for curve in curves]) for start, end in pairwise(knots))
    return Curve(tuple(knots), pieces)


def _complement(piece: Coefficients) -> Coefficients:
    return tuple(1.0 - value for value in piece)


def _product_of(parts: Sequence[Coefficients]) -> Coefficients:
    result = parts[0]
    for part in parts[1:]:
        result = _product(result, part)
    return result


def _product(one: Coefficients, other: Coefficients) -> Coefficients:
    m, n = len(one) - 1, len(other) - 1
    result = [0.0] * (m + n + 1)
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            result[i + j] += comb(m, i) * comb(n, j) / comb(m + n, i + j) * a * b
    return tuple(result)


def _merged(points: Sequence[float]) -> list[float]:
    """Sorted, with points that differ by rounding alone as one (parameters are whole nanoseconds)."""
    ordered = sorted(points)
    tolerance = 1e-12 * max(1.0, abs(ordered[-1]))
    kept = ordered[:1]
    kept.extend(right for left, right in pairwise(ordered) if right - left > tolerance)
    return kept


def _value(piece: Coefficients, u: float) -> float:
    degree = len(piece) - 1
    rest, power, result = 1.0 - u, 1.0, piece[0]
    for k in range(1, degree + 1):
        power *= u
        result = result * rest + comb(degree, k) * power * piece[k]
    return result


def _bisect(piece: Coefficients, p: float) -> float:
    low, high = 0.0, 1.0
    if len(piece) == 2:
        return (p - piece[0]) / (piece[1] - piece[0])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _value(piece, middle) < p:
            low = middle
        else:
            high = middle
    return high


def _restricted(piece: Coefficients, left: float, right: float, start: float, end: float) -> Coefficients:
    """The part of a piece on [left, right] that lies over [start, end]."""
    width = right - left
    low, high = max(0.0, (start - left) / width), min(1.0, (end - left) / width)
    if high < 1.0:
        piece = _cut(piece, high)[0]
    if low > 0.0:
        piece = _cut(piece, low / high)[1]
    return piece


def _cut(piece: Coefficients, u: float) -> tuple[Coefficients, Coefficients]:
    """De Casteljau's algorithm: the coefficients left and right of `u`."""
    left, right = [], []
    work = list(piece)
    while work:
        left.append(work[0])
        right.append(work[-1])
        work = [a + (b - a) * u for a, b in pairwise(work)]
    return tuple(left), tuple(reversed(right))


def _mass_below(one: Curve, other: Curve, x: float) -> float:
    """P(one + other ≤ x), by the atoms of `other` and by its density piece for piece."""
    total = 0.0
    before = 0.0
    for (start, end), piece in zip(pairwise(other.knots), other.pieces, strict=True):
        total += (piece[0] - before) * one.cdf(x - start) + _density_part(one, piece, start, end, x)
        before = piece[-1]
    return total + (1.0 - before) * one.cdf(x - other.knots[-1])


def _density_part(one: Curve, piece: Coefficients, start: float, end: float, x: float) -> float:
    slopes = tuple((b - a) * (len(piece) - 1) for a, b in pairwise(piece))
    if not any(slopes):
        return 0.0
    inside = [x - knot for knot in one.knots if start < x - knot < end]
    total = 0.0
    for low, high in pairwise(_merged([start, *inside, end])):
        mirrored = tuple(reversed(one.over(x - high, x - low)))
        values = _product(mirrored, _restricted(slopes, start, end, low, high))
        total += (high - low) / (end - start) * sum(values) / len(values)
    return total


@lru_cache(maxsize=32)
def _places(degree: int) -> tuple[float, ...]:
    """Chebyshev's places inside (0, 1): between knots, so a jump at a knot never falls on one."""
    return tuple((1 - cos(pi * (2 * k + 1) / (2 * degree + 2))) / 2 for k in range(degree + 1))


def _through(values: Sequence[float]) -> Coefficients:
    """The Bernstein coefficients of the polynomial with these values at `_places`."""
    return tuple(sum(w * v for w, v in zip(row, values, strict=True)) for row in _reading(len(values) - 1))


@lru_cache(maxsize=32)
def _reading(degree: int) -> tuple[Coefficients, ...]:
    """For each Bernstein coefficient, the weights of the values at `_places`.

    Lagrange's basis polynomials are products of linear factors, and u − p has the coefficients (−p, 1 − p).
    """
    places = _places(degree)
    columns = []
    for i, place in enumerate(places):
        others = [p for j, p in enumerate(places) if j != i]
        scale = prod(place - p for p in others)
        piece: Coefficients = (1.0,)
        for p in others:
            piece = _product(piece, (-p, 1.0 - p))
        columns.append(tuple(value / scale for value in piece))
    return tuple(zip(*columns, strict=True))
