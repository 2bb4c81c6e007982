"""The head's contents behind `{{ page_style }}`: a plain template looks decent on screen and on paper.

It also says that the page is UTF-8, as every page here is. It uses no variables and no grid, so that older
engines that print PDF show the same. Classes for templates: `number` (right-aligned figures), `good`, `warn`
and `bad` (coloured words), `facts` (a short table of names and values), `note` (small and pale), `wide`
(around a table that may scroll).
"""

from __future__ import annotations

PAGE_STYLE = """<meta charset="utf-8">
<style>
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; background: #f3f5f7; }
body {
  margin: 24px auto; padding: 28px 36px 36px; max-width: 1000px; border-radius: 10px;
  background: #ffffff; color: #1b2127;
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; print-color-adjust: exact; -webkit-print-color-adjust: exact;
}
h1, h2, h3, p { margin: 0; }
h1 { font-size: 28px; line-height: 1.2; letter-spacing: -.01em; }
h1 + p { margin-top: 4px; color: #5c6670; }
h2 { margin-top: 28px; padding-bottom: 5px; border-bottom: 2px solid #2f6db3; font-size: 18px; }
h3 { margin-top: 18px; font-size: 15px; }
p { margin-top: 10px; }
a { color: #2f6db3; }
table { width: 100%; margin-top: 18px; border-collapse: collapse; font-size: 14px; }
caption { padding: 4px 0 6px; text-align: left; font-weight: 600; }
th, td { padding: 6px 18px 6px 0; border-bottom: 1px solid #d8dee3; text-align: left; vertical-align: top; }
th:last-child, td:last-child { padding-right: 4px; }
thead th { border-bottom: 1.5px solid #5c6670; color: #5c6670; font-size: 13px; vertical-align: bottom; }
tbody th { font-weight: 400; }
tbody tr:nth-child(even) > * { background: #f7f9fa; }
tfoot > tr > * { border-top: 1.5px solid #5c6670; border-bottom: 0; font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
.facts { width: auto; }
.facts th { padding-right: 28px; color: #5c6670; font-weight: 400; }
.facts td { font-weight: 600; }
.facts tr > *, .facts tbody tr:nth-child(even) > * {
  padding: 2px 28px 2px 0; border-bottom: 0; background: none;
}
.good { color: #17713f; font-weight: 600; }
.warn { color: #8a5a00; font-weight: 600; }
.bad { color: #b8261b; font-weight: 600; }
.note, footer { color: #5c6670; font-size: 13px; }
footer { margin-top: 32px; padding-top: 10px; border-top: 1px solid #d8dee3; }
.wide { overflow-x: auto; }
svg, img { max-width: 100%; }
@media screen and (prefers-color-scheme: dark) {
  html { background: #12161a; color-scheme: dark; }
  body { background: #1b2126; color: #e7ebee; }
  h1 + p, thead th, .facts th, .note, footer { color: #9ba6af; }
  th, td, footer { border-color: #38424a; }
  tbody tr:nth-child(even) > * { background: #20272d; }
  a { color: #7db4ea; }
  .good { color: #63cf95; }
  .warn { color: #e9b654; }
  .bad { color: #ff8577; }
}
@media screen and (max-width: 700px) {
  body { margin: 0; padding: 16px 14px 28px; border-radius: 0; }
  h1 { font-size: 23px; }
  table { font-size: 13px; }
  th, td { padding-right: 8px; }
}
@page { size: A4; margin: 14mm; }
@media print {
  html { background: none; }
  body { margin: 0; padding: 0; max-width: none; font-size: 13px; }
  table { font-size: 12px; }
  thead { display: table-header-group; }
  tr, h2, h3, caption { break-inside: avoid; page-break-inside: avoid; }
  h2, h3, caption { break-after: avoid; page-break-after: avoid; }
}
</style>"""
