// SPDX-License-Identifier: MIT
#include "analysis/report/report_page.h"

namespace vmstream {

namespace {

constexpr std::string_view kReportStyle = R"(
:root { --ink: #1d2733; --faint: #6a7683; --line: #dde3e8; --tint: #f5f7f9; --blue: #2b6c9b; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main, header, footer { max-width: 1000px; margin: 0 auto; padding: 0 28px; }
header { padding-top: 36px; }
header p { margin: 0; color: var(--faint); }
h1 { margin: 0; font-size: 28px; font-weight: 650; overflow-wrap: anywhere; }
h2 { margin: 44px 0 10px; padding-bottom: 6px; border-bottom: 2px solid var(--line);
  font-size: 20px; font-weight: 650; }
h3 { margin: 26px 0 6px; font-size: 15px; }
h4 { margin: 14px 0 4px; font-size: 12px; letter-spacing: .06em; text-transform: uppercase;
  color: var(--faint); }
code, .v, .n, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13px; }
code, .v, dd { overflow-wrap: anywhere; unicode-bidi: isolate; }
.faint { color: var(--faint); fill: var(--faint); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px;
  margin: 24px 0 0; }
.card { padding: 12px 16px; border: 1px solid var(--line); border-radius: 8px;
  background: var(--tint); }
.card b { display: block; font-size: 16px; font-weight: 650; overflow-wrap: anywhere; }
.card span { font-size: 12px; color: var(--faint); }
.good { border-left: 4px solid #3c9a5f; }
.bad { border-left: 4px solid #c5403c; background: #fdf3f2; }
.unsure { border-left: 4px solid #d99a22; background: #fdf8ed; }
nav { margin-top: 18px; font-size: 14px; }
nav a { margin-right: 16px; color: var(--blue); text-decoration: none; }
dl { display: grid; grid-template-columns: 160px 1fr; gap: 4px 16px; margin: 12px 0; }
dt { color: var(--faint); }
dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--faint); }
th, td { padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.r, th.r { text-align: right; font-variant-numeric: tabular-nums; }
table.fields { margin: 8px 0 16px; font-size: 13px; }
.fields th:nth-child(1) { width: 100px; }
.fields th:nth-child(3) { width: 130px; }
details { border-bottom: 1px solid var(--line); }
summary { padding: 6px 0; cursor: pointer; }
.registers { display: grid; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr));
  gap: 1px 18px; font-size: 13px; margin-bottom: 12px; }
.registers.vector { grid-template-columns: 1fr; }
.registers b { display: inline-block; min-width: 74px; font-weight: 600; }
svg { max-width: 100%; height: auto; font-size: 12px; }
svg text { fill: var(--ink); }
svg .faint { fill: var(--faint); }
svg .address { text-anchor: end; fill: var(--faint);
  font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 11px; }
svg .small { text-anchor: middle; font-size: 11px; }
svg .inside { fill: #fff; font-weight: 600; }
svg .ram { fill: var(--blue); }
svg .rom { fill: #7a5a9e; }
svg .device { fill: #2f8578; }
svg .inside.ram, svg .inside.rom, svg .inside.device { fill: #fff; }
svg .hole { fill: none; stroke: #c3ccd4; stroke-dasharray: 3 3; }
svg .bar { fill: var(--blue); }
svg line { stroke: var(--line); }
.pictures { display: grid; grid-template-columns: 1fr 1fr; gap: 18px; break-inside: avoid; }
figure { margin: 0; }
figure img { width: 100%; height: auto; image-rendering: pixelated;
  border: 1px solid var(--line); border-radius: 3px; }
figcaption { font-size: 12px; color: var(--faint); }
.key { display: inline-block; width: 11px; height: 11px; margin: 0 4px 0 12px;
  border: 1px solid #c3ccd4; vertical-align: -1px; }
.ramp { display: inline-block; width: 120px; height: 11px; margin: 0 8px; vertical-align: -1px;
  background: linear-gradient(90deg, #f7f3b8, #a5d9a0, #41b0b4, #2c6fb0, #351c6b); }
pre.screen { min-width: 80ch; }
.screen { display: inline-block; max-width: 100%; overflow: auto; padding: 14px 18px;
  border-radius: 6px; background: #14181d; color: #d5dae0; line-height: 1.2; }
.screen img { display: block; max-width: 100%; height: auto; }
footer { margin-top: 50px; padding-top: 12px; padding-bottom: 40px; font-size: 13px;
  color: var(--faint); border-top: 2px solid var(--line); }
@media print {
  body { font-size: 11px; }
  nav { display: none; }
  main, header, footer { max-width: none; padding-left: 0; padding-right: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2, h3 { break-after: avoid; }
}
)";

}  // namespace

std::string_view report_style() {
  return kReportStyle;
}

}  // namespace vmstream
