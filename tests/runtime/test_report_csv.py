"""The tables of a page as CSV."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.runtime.report_csv import defused, tables_as_csv

BOM = "\ufeff"


def rows(page: str) -> list[list[str]]:
    """What a reader of the CSV finds."""
    written = tables_as_csv(page)
    assert written is not None
    text = written.decode()
    assert text.startswith(BOM)
    return list(csv.reader(io.StringIO(text.removeprefix(BOM), newline=""), strict=True))


def test_a_table_becomes_rows_below_its_caption() -> None:
    page = """<h1>not this</h1><table><caption>Flow</caption>
      <thead><tr><th>From</th><th>Mean</th></tr></thead>
      <tbody><tr><td>06:00</td><td> 12.5\n m³/h </td></tr></tbody></table>nor this"""
    assert rows(page) == [["Flow"], ["From", "Mean"], ["06:00", "12.5 m³/h"]]


def test_the_bytes_are_rfc_4180_with_a_mark_for_spreadsheets() -> None:
    page = '<table><tr><td>a,b<td>say "hi"<td>12.5</table>'
    assert tables_as_csv(page) == b'\xef\xbb\xbf"a,b","say ""hi""",12.5\r\n'


def test_several_tables_have_an_empty_row_between_them() -> None:
    page = "<table><tr><td>1</table><p>x</p><table><tr><td>2</table>"
    assert rows(page) == [["1"], [], ["2"]]


def test_a_table_may_stay_out_and_a_page_may_have_none() -> None:
    assert rows('<table data-csv="no"><tr><td>1</table><table><tr><td>2</table>') == [["2"]]
    assert tables_as_csv('<table data-csv="no"><tr><td>1</table>') is None
    assert tables_as_csv("<p>no table</p>") is None


def test_the_file_has_in_full_what_the_page_rounds() -> None:
    page = """<table><tr><td><data value="12.3456">12.3</data> m
      <td><time datetime="2026-11-20T14:00:00+00:00">15:00</time></table>"""
    assert rows(page) == [["12.3456 m", "2026-11-20T14:00:00+00:00"]]


def test_merged_cells_leave_empty_ones() -> None:
    page = """<table>
      <tr><th rowspan=2>Pump<th colspan=2>Hours
      <tr><th>day<th>night
      <tr><td>1<td>8<td>4
    </table>"""
    assert rows(page) == [["Pump", "Hours", ""], ["", "day", "night"], ["1", "8", "4"]]


def test_a_cell_that_spans_to_the_end_and_absurd_spans_are_taken_as_html_does() -> None:
    assert rows("<table><tr><td rowspan=0>a<td>b<tr><td>c<tr><td>d</table>") == [
        ["a", "b"],
        ["", "c"],
        ["", "d"],
    ]
    assert len(rows("<table><tr><td colspan=999999999>a</table>")[0]) == 1000
    assert rows("<table><tr><td colspan=-3>a<td colspan=x>b</table>") == [["a", "b"]]


def test_a_table_within_a_cell_is_a_table_of_its_own() -> None:
    page = "<table><tr><td>outer<table><tr><td>inner</table>more<td>next</table>"
    assert rows(page) == [["outermore", "next"], [], ["inner"]]


def test_scripts_styles_and_entities() -> None:
    page = "<table><tr><td>a<script>b()</script><style>c</style>&lt;d&gt;&nbsp;e<br>f</table>"
    assert rows(page) == [["a<d> e f"]]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd", "-2+3+cmd|' /C calc'!A0", "@SUM(A1)", "＝1+1", "=", "-8h", "--1", "+-1", "-1-1"]
)
def test_a_cell_that_would_be_a_formula_is_defused(cell: str) -> None:
    assert rows(f"<table><tr><td> \t\n{cell} <td>x</table>") == [[f"'{cell}", "x"]]
    assert rows(f'<table><caption>{cell}</caption><tr><td><data value="{cell}">1</data></table>') == [
        [f"'{cell}"],
        [f"'{cell}"],
    ]


@pytest.mark.parametrize(
    "cell", ["-12.5", "+3", "-1,234.5", "-1e-7", "-0:13:20", "-5%", "-", "a=b", "12", "–"]
)
def test_numbers_and_harmless_text_stay(cell: str) -> None:
    assert defused(cell) == cell


@given(st.text())
def test_no_cell_begins_a_formula(text: str) -> None:
    cell = defused(text)
    assert cell.endswith(text)
    if cell[:1] in ("=", "@", "＝", "＠"):
        pytest.fail(cell)
    if cell[:1] in ("+", "-"):
        assert set(cell[1:]) <= set("0123456789.,:eE+-%")


@given(st.lists(st.lists(st.text(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_whatever_the_cells_hold_the_shape_is_kept(cells: list[list[str]]) -> None:
    escaped = [[cell.replace("&", "&amp;").replace("<", "&lt;") for cell in row] for row in cells]
    page = "<table>" + "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in escaped)
    assert [len(row) for row in rows(page)] == [len(row) or 1 for row in cells]


PIECES = (
    *("<table>", "</table>", "<tr>", "<td>", "</td>", "<th", ">", " rowspan=3", " colspan=0", "<caption>"),
    *("<data value='1'>", "</data>", "<script>", "</script>", "<!--", "&", "x", " ", "\x00"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_no_markup_is_too_broken(pieces: list[str]) -> None:
    page = "<table><tr><td>first</td></tr></table>" + "".join(pieces)
    assert rows(page)[0] == ["first"]
