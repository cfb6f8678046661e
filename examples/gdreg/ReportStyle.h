// SPDX-License-Identifier: Apache-2.0
#ifndef ReportStyle_h
#define ReportStyle_h

namespace gdreg
{
/** Style sheet of the report: neutral greys (colour is for data), light or dark as the reader's system has it, white
 * on paper. */
constexpr const char * ReportStyle = R"css(
:root { color-scheme: light dark; --page: #f4f4f3; --card: #fff; --ink: #1d1f21; --soft: #5c6166; --line: #d9dbdd;
  --accent: #1f5fa8; --warn: #a4161a; }
@media (prefers-color-scheme: dark) {
  :root { --page: #17191b; --card: #202326; --ink: #e7e9ea; --soft: #a0a6ab; --line: #383d42; --accent: #7db4f0;
    --warn: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.45 system-ui, -apple-system, "Segoe UI",
  Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 20px 16px 48px; }
h1 { font-size: 1.5rem; margin: 0 0 2px; } h2 { font-size: 1.15rem; margin: 34px 0 4px; }
p { margin: 4px 0 10px; max-width: 76ch; color: var(--soft); }
.files { overflow-wrap: anywhere; }
.files b { color: var(--ink); font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 8px; margin: 16px 0 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 9px 11px; }
.card span { display: block; font-size: .8rem; color: var(--soft); }
.card b { display: block; font-size: 1rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
.card small { color: var(--soft); line-height: 1.3; display: block; }
.warn b { color: var(--warn); }
.row { display: grid; gap: 8px; margin: 10px 0; }
.row.n1, .row.n1.plain { grid-template-columns: minmax(0, 400px); }
.row.n3.states { grid-template-columns: repeat(3, 1fr); }
.row.n2 { grid-template-columns: repeat(2, 1fr); max-width: 720px; }
.row.n3 { align-items: start; }
.row.plain { grid-template-columns: var(--widths); }
.row.n4 { grid-template-columns: repeat(4, 1fr); }
figure { margin: 0; min-width: 0; break-inside: avoid; }
figcaption { font-size: .82rem; color: var(--soft); padding: 3px 2px 0; }
.picture { position: relative; background: #000; border-radius: 4px; overflow: hidden; line-height: 0; color: #fff; }
.picture img { width: 100%; height: auto; display: block; }
.picture i { position: absolute; font: 600 12px/1 system-ui, sans-serif; padding: 3px; text-shadow: 0 0 2px #000,
  0 0 2px #000, 0 0 3px #000; }
.picture .l { left: 1px; top: calc(50% - 9px); } .picture .r { right: 1px; top: calc(50% - 9px); }
.picture .t { top: 0; left: calc(50% - 7px); } .picture .b { bottom: 0; left: calc(50% - 7px); }
#compare { display: none; }
#compare .picture img + img { position: absolute; inset: 0; }
#compare label { display: flex; gap: 10px; align-items: center; margin: 8px 0; color: var(--soft); max-width: 640px; }
#compare input { flex: 1; accent-color: var(--accent); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 10px; }
svg { width: 100%; height: auto; display: block; }
svg.chart { background: var(--card); border: 1px solid var(--line); border-radius: 8px; break-inside: avoid;
  max-width: 460px; }
svg.bar { max-width: 520px; }
svg text { fill: var(--ink); font: 12px system-ui, "DejaVu Sans", sans-serif; } svg .title { font-weight: 600; }
svg .tick { fill: var(--soft); font-size: 11.5px; }
svg .grid { stroke: var(--line); } svg .axis { stroke: var(--soft); fill: none; }
svg .curve { stroke: var(--accent); stroke-width: 2; fill: none; stroke-linejoin: round; }
svg .dot { fill: var(--accent); }
.tables { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 10px 28px;
  align-items: start; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; margin: 8px 0; }
caption { text-align: left; font-weight: 600; padding: 4px 0; }
td, th { border-top: 1px solid var(--line); padding: 4px 8px 4px 0; vertical-align: top; text-align: left;
  overflow-wrap: anywhere; }
th { font-weight: 400; color: var(--soft); width: 48%; }
@media (max-width: 640px) {
  body { font-size: 15px; } main { padding: 14px 10px 32px; } h1 { font-size: 1.25rem; }
  .row.n4 { grid-template-columns: repeat(2, 1fr); } .row { gap: 6px; }
  .row.n3.states, .row.n3.plain, .cards { grid-template-columns: repeat(2, 1fr); } }
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --accent: #1f5fa8; --warn: #a4161a; }
  @page { margin: 14mm; } body { font-size: 10.5pt; } main { max-width: none; padding: 0 2px; }
  #compare { display: none !important; } h2 { break-after: avoid; margin-top: 18px; } .row { break-inside: avoid; }
  .row.n4 { grid-template-columns: repeat(4, 1fr); } .row.n3.states { grid-template-columns: repeat(3, 1fr); }
  .row.n3.plain { grid-template-columns: var(--widths); max-width: 82%; } section { break-inside: avoid; }
  section.long { break-inside: auto; } .charts { grid-template-columns: repeat(3, 1fr); }
  .tables { grid-template-columns: repeat(2, 1fr); } table { break-inside: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
)css";

/** The slider that blends the moving image over the fixed one, from the pictures that are in the page. */
constexpr const char * ReportScript = R"js(
(function () {
  var box = document.getElementById('compare'), row = box.querySelector('.row');
  document.querySelectorAll('img[data-role=fixed]').forEach(function (fixed) {
    var after = document.querySelector('img[data-role=after][data-plane=' + fixed.dataset.plane + ']');
    if (!after) { return; }
    var figure = document.createElement('figure'), picture = document.createElement('div');
    picture.className = 'picture';
    [fixed, after].forEach(function (source) {
      var image = document.createElement('img');
      image.src = source.src; image.alt = source.alt; picture.appendChild(image);
    });
    figure.appendChild(picture); row.appendChild(figure);
  });
  var slider = box.querySelector('input');
  function blend() {
    row.querySelectorAll('img + img').forEach(function (image) { image.style.opacity = slider.value / 100; });
  }
  slider.addEventListener('input', blend); blend();
  box.style.display = 'block';
})();
)js";
} // namespace gdreg

#endif
