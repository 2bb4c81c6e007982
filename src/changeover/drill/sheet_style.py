"""The acceptance sheet's style sheet: light, dark, paper and telephone."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f3f5f7; --paper: #ffffff; --ink: #1b2127; --pale: #5c6670; --rule: #d8dee3; --grid: #e4e8ec;
  --interval: #a9cbee; --margin: #e3effa; --edge: #2f6db3; --dot: #123d6a;
  --good: #17713f; --good-tint: #e6f4ec; --bad: #b8261b; --bad-tint: #fcebe8; --warn: #8a5a00;
  --k1: #2f6db3; --k2: #c77f0a; --k3: #2a8f6e; --k4: #a7528f; --k5: #7b838b; --k6: #3f464d;
  --k7: #c4522a; --k8: #3b93bd; --k9: #80642f; --k10: #6a5fb3;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #12161a; --paper: #1b2126; --ink: #e7ebee; --pale: #9ba6af; --rule: #38424a; --grid: #2b343b;
    --interval: #2f5d8e; --margin: #21384f; --edge: #7db4ea; --dot: #e3f0fd;
    --good: #63cf95; --good-tint: #173325; --bad: #ff8577; --bad-tint: #43201c; --warn: #e9b654;
    --k1: #5b9bdf; --k2: #e5a540; --k3: #4dbb98; --k4: #cf84ba; --k5: #98a1a9; --k6: #c3cad0;
    --k7: #e98058; --k8: #6fbfe4; --k9: #b7995d; --k10: #9a90e0;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 28px 24px 48px; max-width: 1200px; background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; print-color-adjust: exact;
  -webkit-print-color-adjust: exact;
}
h1, h2, h3, p, dl, dd, ul { margin: 0; padding: 0; }
h1 { font-size: 32px; line-height: 1.15; letter-spacing: -.01em; }
h2 { font-size: 20px; line-height: 1.25; }
h3 { font-size: 13px; margin-bottom: 6px; color: var(--pale); font-weight: 600; }
a { color: var(--edge); }
.kicker { color: var(--pale); font-size: 13px; font-weight: 600; }
.good-text { color: var(--good); font-weight: 600; }
.bad-text { color: var(--bad); font-weight: 600; }
.warn-text { color: var(--warn); font-weight: 600; }

.badge {
  display: inline-flex; align-items: center; gap: 5px; padding: 2px 10px 2px 7px; border-radius: 6px;
  font-weight: 700; font-size: 14px; white-space: nowrap; border: 1.5px solid currentColor;
}
.badge.good { color: var(--good); background: var(--good-tint); }
.badge.bad { color: var(--bad); background: var(--bad-tint); }
.sign { width: 14px; height: 14px; fill: none; stroke: currentColor; stroke-width: 2.6; flex: none; }

.verdict {
  display: flex; flex-wrap: wrap; align-items: center; gap: 8px 20px; margin: 16px 0; padding: 16px 20px;
  border-radius: 10px; border-left: 8px solid var(--pale); background: var(--paper); font-size: 17px;
}
.verdict p { flex: 1 1 320px; }
.verdict .badge, .verdict strong { font-size: 30px; border: 0; padding: 0; background: none; gap: 10px; }
.verdict .sign { width: 30px; height: 30px; }
.verdict.good { background: var(--good-tint); border-color: var(--good); }
.verdict.bad { background: var(--bad-tint); border-color: var(--bad); }
.facts { display: flex; flex-wrap: wrap; gap: 10px 36px; }
.facts div:last-child { flex: 1 1 300px; }
.facts dt, .story dt { color: var(--pale); font-size: 13px; }
.notes { margin-top: 10px; padding-left: 18px; color: var(--pale); }

section { margin-top: 22px; padding: 20px 24px; border-radius: 10px; background: var(--paper); }
section.plain > h2 { font-size: 17px; margin-bottom: 10px; }
.pair {
  display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 22px; align-items: start;
}
.pair > :only-child { grid-column: 1 / -1; }
.wide { overflow-x: auto; min-width: 0; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; overflow-wrap: normal; }
th, td {
  padding: 4px 10px 4px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule);
}
tbody th { font-weight: 400; }
thead th { color: var(--pale); font-weight: 600; vertical-align: bottom; font-size: 12.5px; }
td.figure, td b { white-space: nowrap; }
tr:last-child > * { border-bottom-color: transparent; }
.overview td, .audits td { vertical-align: middle; }
.overview .group, .audits .group { padding-top: 14px; font-weight: 600; font-size: 15px; }
.overview .group span { font-size: 13px; }
.overview td:nth-child(2) { white-space: nowrap; }
.overview .bars { width: 27%; padding: 0 14px 0 6px; }
.overview thead th:nth-child(6) { padding-left: 6px; }
.overview .inside { stroke-width: .8; }
.audits .figure, .audits thead th:nth-child(n+3):nth-child(-n+6) { text-align: right; padding-right: 18px; }
.audits ul { padding-left: 16px; }
h2.function { margin: 34px 0 -8px; font-size: 24px; }

.legend { columns: 2; column-gap: 20px; list-style: none; }
.legend li { display: flex; align-items: flex-start; gap: 8px; padding: 2px 0; break-inside: avoid; }
.legend, .legend + p { font-size: 13px; line-height: 1.35; }
.legend + p { margin-top: 6px; color: var(--pale); }
.mark { flex: none; margin-top: 1px; }

.panel > header {
  display: flex; flex-wrap: wrap; justify-content: space-between; gap: 8px; align-items: center;
}
.panel > header .badge { font-size: 18px; padding: 4px 14px 4px 10px; }
.on { color: var(--pale); font-weight: 400; }
.story { display: grid; gap: 5px; margin: 12px 0 16px; }
.story > div { display: grid; grid-template-columns: 82px 1fr; }
.story dt { padding-top: 1px; }
.story ul { padding-left: 18px; }
.how { color: var(--pale); }
.strips { border-top: 1px solid var(--rule); padding-top: 10px; }
.row { display: grid; grid-template-columns: 216px 1fr; gap: 0 18px; margin-bottom: 8px; }
.row .label { padding-top: 4px; line-height: 1.3; }
.meaning, .tally { display: block; font-size: 12.5px; color: var(--pale); }
.tally { color: var(--ink); }
.tally.bad-text { color: var(--bad); }
.plot { padding-right: 14px; min-width: 0; }
.note { font-size: 13px; color: var(--pale); margin-top: 4px; }
.panel .pair {
  grid-template-columns: auto minmax(0, 1fr); margin-top: 16px; padding-top: 14px;
  border-top: 1px solid var(--rule);
}
.numbers td, .numbers thead th:not(.first), .stages .figure { text-align: right; }
.stages th:nth-child(n+4):nth-child(-n+6) { text-align: right; }
.numbers thead tr:first-child th:not(.first) { text-align: center; }
.numbers .part { border-left: 1px solid var(--rule); }
.numbers { width: auto; }
.numbers td, .numbers thead th { padding: 4px 6px; }
.numbers th:first-child.first, .numbers tbody th { padding-left: 0; white-space: nowrap; }
.key {
  display: inline-block; min-width: 19px; padding: 0 5px; border-radius: 4px; text-align: center;
  font-size: 12px; font-weight: 600; color: var(--paper);
}
.traces { margin-top: 12px; font-size: 13px; color: var(--pale); }
.repetitions { font-size: 12.5px; }
.repetitions th, .repetitions td { padding: 2px 10px 2px 0; }
.repetitions .group { padding-top: 12px; font-weight: 600; }
.repetitions .figure { text-align: right; padding-right: 14px; }
.repetitions thead th:nth-child(n+3):nth-child(-n+9) { text-align: right; padding-right: 14px; }
.repetitions thead tr:first-child th { border-bottom: 0; padding-bottom: 0; }
.missed { color: var(--bad); font-weight: 700; }
.missed::before { content: "◆ "; font-size: 9px; vertical-align: 1px; }
.unpassed > * { background: var(--bad-tint); }

svg { display: block; overflow: visible; }
.grid { stroke: var(--grid); }
.axis { stroke: var(--rule); }
.tick { fill: var(--pale); font-size: 11.5px; text-anchor: middle; }
.tick.begin { text-anchor: start; }
.tick.end { text-anchor: end; }
.margin { fill: var(--margin); }
.interval { fill: var(--interval); }
.edge { stroke: var(--edge); stroke-width: 1.5; }
.median { stroke: var(--edge); stroke-width: 1.5; }
.p95 { stroke: var(--edge); stroke-width: 1.5; stroke-dasharray: 3 3; }
.mean { fill: var(--edge); }
.inside { fill: var(--dot); stroke: var(--paper); stroke-width: 1.2; }
.unheld { fill: var(--paper); stroke: var(--pale); stroke-width: 2; }
.outside { fill: var(--bad); stroke: var(--paper); stroke-width: 1.2; }
.late {
  fill: var(--bad); font-size: 11.5px; font-weight: 700;
  paint-order: stroke; stroke: var(--paper); stroke-width: 3px;
}
.late.end { text-anchor: end; }
.number { fill: var(--ink); font-size: 11.5px; font-weight: 600; text-anchor: middle; }
.mean-line { stroke: var(--ink); stroke-width: 2; }
.join { stroke: var(--paper); stroke-width: 1.5; }
.upto { opacity: .42; }
.k1 { fill: var(--k1); background: var(--k1); } .k2 { fill: var(--k2); background: var(--k2); }
.k3 { fill: var(--k3); background: var(--k3); } .k4 { fill: var(--k4); background: var(--k4); }
.k5 { fill: var(--k5); background: var(--k5); } .k6 { fill: var(--k6); background: var(--k6); }
.k7 { fill: var(--k7); background: var(--k7); } .k8 { fill: var(--k8); background: var(--k8); }
.k9 { fill: var(--k9); background: var(--k9); } .k10 { fill: var(--k10); background: var(--k10); }
.graph { height: auto; max-width: 1080px; }
.graph .tick { font-size: 14px; }
.graph .number { font-size: 14px; }
.graph .end { text-anchor: end; }
.graph .begin { text-anchor: start; }
.curve { fill: none; stroke: var(--edge); stroke-width: 2.5; stroke-linejoin: round; }
.curve.all { stroke: var(--interval); }
.dot { fill: var(--dot); stroke: var(--paper); stroke-width: 2; }
.counted td, .counted thead th:nth-child(n+2) { text-align: right; padding-right: 16px; }
.counted thead tr:first-child th { text-align: center; border-bottom: 0; }
.signatures { display: none; }

@media screen and (max-width: 760px) {
  body { padding: 16px 10px 32px; font-size: 14.5px; }
  h1 { font-size: 25px; }
  section { padding: 16px 14px; }
  .verdict { padding: 12px 14px; font-size: 15.5px; }
  .verdict .badge, .verdict strong { font-size: 24px; }
  .pair, .row { grid-template-columns: minmax(0, 1fr); }
  .panel .pair { grid-template-columns: minmax(0, 1fr); row-gap: 18px; }
  .row { margin-bottom: 16px; }
  .plot { padding: 4px 16px 0; }
  .story > div { grid-template-columns: minmax(0, 1fr); }
  .numbers { width: 100%; }
  .numbers, .stages, .numbers thead th, .stages thead th { font-size: 11.5px; }
  .numbers thead th, .numbers td { padding: 4px 2px; }
  .overview .badge { font-size: 12.5px; padding: 1px 6px 1px 4px; }
  .numbers tbody th { white-space: normal; }
  .stages th, .stages td { padding-right: 4px; }
  td b { white-space: normal; }
}
@page { size: A4; margin: 12mm; }
@media print {
  :root { --page: #ffffff; color-scheme: light; }
  body { padding: 0; max-width: none; zoom: .72; }
  section { padding: 14px 0; margin-top: 14px; border-top: 2px solid var(--ink); border-radius: 0; }
  .panel, .row, tr, .verdict, .signatures, .pair section { break-inside: avoid; }
  .wide { overflow: visible; }
  a { color: inherit; }
  .signatures { display: flex; gap: 14mm; margin-top: 30mm; }
  .signatures span { flex: 1; border-top: 1px solid var(--ink); padding-top: 2mm; color: var(--pale); }
}
"""
