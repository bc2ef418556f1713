import { PICTURE_STYLE } from './style-picture.ts';

/**
 * How a page looks. No font and no picture is fetched. Colours are pairs, light and dark; nothing is told by colour
 * alone. Widths follow the window from 320 pixels on.
 */
const BASE = `
:root {
  color-scheme: light dark;
  --paper: light-dark(#f7f4ed, #14171c);
  --sheet: light-dark(#fffdf8, #1a1e25);
  --ink: light-dark(#1c1a16, #efe9dc);
  --faint: light-dark(#645f54, #a39e92);
  --rule: light-dark(#dcd5c5, #333a45);
  --cut: light-dark(#c42d12, #ff7350);
  --hold: light-dark(#274f7d, #86b1ea);
  --still: light-dark(#1d6b57, #6fd0b1);
  --pause: light-dark(#9a5b00, #e3b35c);
  --smear: light-dark(#9c2f66, #f391bd);
  --good: light-dark(#1d6b57, #6fd0b1);
  --bad: light-dark(#b3261e, #ff8a80);
  --shared: light-dark(#e9f0ea, #1d2a2a);
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, P052, "URW Palladio L", "Book Antiqua", Georgia, serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
  --names: 11rem;
}
:root[data-theme="light"] { color-scheme: light; }
:root[data-theme="dark"] { color-scheme: dark; }
* { box-sizing: border-box; }
html { font: 100%/1.5 var(--serif); background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0 auto; max-width: 76rem; overflow-wrap: anywhere; padding: 0 clamp(1rem, 4vw, 3.5rem) 3rem; }
h1, h2, h3, h4, p, ul, ol, dl, dd, figure, pre { margin: 0; padding: 0; }
ul, ol { list-style: none; }
a { color: inherit; text-decoration-color: var(--faint); text-underline-offset: .18em; }
a:hover { text-decoration-color: currentColor; }
:focus-visible { outline: 2px solid var(--cut); outline-offset: 3px; }
code, pre { font-family: var(--mono); font-size: .82em; }
h2 { font-size: 1.55rem; font-weight: 400; line-height: 1.2; letter-spacing: -.01em; }
h3 { font-size: 1.15rem; font-weight: 600; line-height: 1.3; }
h4 { font-size: .95rem; font-weight: 600; }
em { font-style: italic; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: -100vw; background: var(--ink); color: var(--paper); padding: .5rem 1rem; z-index: 2; }
.skip:focus { left: 1rem; top: .5rem; }
.faint, .fine-print, .note, .nothing { color: var(--faint); }
.fine-print { font-size: .9rem; }
.alarming { color: var(--bad); font-weight: 600; }
.good { color: var(--good); }
.bad { color: var(--bad); }

.bar { display: flex; gap: .4rem 1.5rem; align-items: baseline; flex-wrap: wrap; padding: 1.1rem 0; border-bottom: 1px solid var(--ink); }
.brand { font-size: 1.05rem; font-style: italic; }
.reference { flex: 1 1 16rem; min-width: 0; color: var(--faint); }
.bar button { font: inherit; font-size: .9rem; color: inherit; background: none; border: 1px solid var(--rule); border-radius: 2px; padding: .15rem .8rem; min-height: 1.75rem; cursor: pointer; }
.bar button:hover { border-color: var(--ink); }

.masthead { display: grid; grid-template-columns: minmax(0, 1fr); gap: 2rem; padding: 2.5rem 0 2.25rem; }
.eyebrow { color: var(--faint); font-style: italic; }
h1 { font-size: clamp(3rem, 9vw, 6.5rem); font-weight: 400; line-height: .95; letter-spacing: -.035em; margin: .1rem 0 1.1rem -.04em; }
.headline { font-size: clamp(1.35rem, 2.6vw, 2rem); line-height: 1.2; text-wrap: balance; }
.because { color: var(--faint); max-width: 38rem; margin-top: .6rem; text-wrap: pretty; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.6rem, 1fr)); gap: 1.1rem 1.2rem; align-self: end; }
.figures div { border-top: 1px solid var(--ink); padding-top: .5rem; min-width: 0; }
.figures dt { font-size: .9rem; color: var(--faint); }
.figures strong { display: block; font-size: clamp(1.1rem, 2.2vw + .6rem, 1.45rem); font-weight: 400; line-height: 1.25; font-feature-settings: "tnum", "lnum"; }
.figures dd span { display: block; font-size: .9rem; color: var(--faint); text-wrap: balance; }

.alarm, .doubts { border: 1px solid var(--bad); border-left-width: .5rem; padding: 1.1rem 1.4rem; margin: 0 0 2rem; background: var(--sheet); }
.doubts { border-color: var(--rule); border-left-color: var(--bad); }
.alarm h2 { color: var(--bad); font-weight: 600; }
.alarm ul, .doubts ul { margin-top: .6rem; list-style: disc; padding-left: 1.1rem; }

section { margin-top: 3.75rem; }
section > h2 { border-top: 1px solid var(--ink); padding-top: .7rem; margin-bottom: 1.2rem; }
section > h3 { margin: 1.8rem 0 .6rem; }
.alarm > h2, .doubts > h2 { border: 0; padding: 0; margin-bottom: .4rem; font-size: 1.35rem; }

.gauge { display: block; overflow: visible; margin: .35rem 0; }
.gauge-ground { fill: var(--rule); }
.gauge-fill, .gauge-captured { fill: var(--ink); }
.gauge-stored { fill: var(--hold); }
.gauge-new { fill: var(--still); }
.gauge-different { fill: var(--bad); }
.gauge-same { fill: var(--good); }

.ledger > li { display: grid; grid-template-columns: minmax(0, 1fr); gap: .8rem 2rem; padding: 1.1rem 0; border-top: 1px solid var(--rule); }
.ledger > li:first-child { border-top: 0; padding-top: 0; }
.who-is p { color: var(--faint); }
.amount strong { font-weight: 400; font-size: 1.3rem; }
.layers { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .5rem 0 .3rem; }
.layers .in span:first-child { color: var(--good); }
.layers .out { color: var(--faint); }
.lacks { border-left: 2px solid var(--rule); padding-left: 1rem; }
.lacks li { margin-top: .3rem; text-wrap: pretty; }
.lacks code { color: var(--faint); white-space: normal; }

.verdict { font-size: clamp(1.8rem, 4.5vw, 3.2rem); line-height: 1; letter-spacing: -.02em; }
.compared { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)); gap: 1.2rem 2rem; margin-top: 1.4rem; }
.compared li { min-width: 0; }
.compared span { color: var(--faint); }
.compared .drifted { color: var(--bad); }
.compared .identical, .compared .equivalent { color: var(--good); }
.warmth li, .lost-work li { padding: .15rem 0; }
.lost-work .change { margin-left: .6rem; color: var(--faint); white-space: nowrap; }
.tree ul { margin-left: .45rem; padding-left: 1.1rem; border-left: 1px solid var(--rule); }
.tree li { padding: .15rem 0; }
.tree summary, .evidence summary { cursor: pointer; }
.tally { font-size: .85rem; color: var(--paper); background: var(--bad); border-radius: 1rem; padding: 0 .5rem; }
.sign { display: inline-block; width: 1.2rem; color: var(--bad); font-family: var(--mono); font-weight: 700; }
.how { color: var(--faint); }

.amounts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr)); gap: 1.2rem 2.5rem; }
.amounts strong { font-weight: 400; font-size: 1.45rem; }
.amounts .kind { color: var(--faint); }
.note { font-size: .9rem; display: block; text-wrap: pretty; }
.generations li { display: grid; grid-template-columns: 2.2rem minmax(0, 1fr); gap: 0 .8rem; padding: .6rem 0; border-top: 1px solid var(--rule); }
.generations li > * { grid-column: 2; }
.generations .number { grid-column: 1; grid-row: 1 / span 3; font-size: 1.45rem; line-height: 1.1; text-align: right; color: var(--faint); }
.generations .this .number { color: var(--cut); }
.generations .digest { color: var(--faint); }

.evidence details { border-top: 1px solid var(--rule); padding: .7rem 0; }
.scroll { max-width: 100%; }
.evidence summary b { font-size: 1.15rem; font-weight: 600; }
.evidence summary span { color: var(--faint); }
.evidence .because { margin-bottom: 1rem; }
.tie-card { margin: .9rem 0 .3rem; padding: .2rem 0 .3rem 1.1rem; border-left: 2px solid var(--rule); }
.tie-card:target, .tie-card:focus { border-left-color: var(--cut); outline: 0; }
.tie-card p { max-width: 46rem; }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-feature-settings: "tnum", "lnum"; }
caption { text-align: left; color: var(--faint); font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid var(--rule); }
th { font-weight: 400; color: var(--faint); font-size: .9rem; }
td:not(:last-child) { white-space: nowrap; }
.captured td { border-bottom: 0; font-style: italic; }
.conditions span { font-family: var(--mono); }
.stands span { color: var(--good); }
.broken, .broken span { color: var(--bad); }

footer { margin-top: 4rem; border-top: 1px solid var(--ink); padding-top: 1rem; }
footer pre { margin: .6rem 0; white-space: pre-wrap; }

@media (min-width: 60rem) {
  .masthead { grid-template-columns: minmax(0, 1.25fr) minmax(0, 1fr); gap: 3.5rem; }
  .figures { grid-template-columns: 1fr 1fr; }
  .ledger > li { grid-template-columns: minmax(0, 3fr) minmax(0, 4fr) minmax(0, 5fr); }
  .generations li { grid-template-columns: 2.2rem minmax(0, 21rem) minmax(0, 1fr); }
  .generations li > * { grid-column: 3; }
  .generations .when, .generations .digest { grid-column: 2; }
  .generations .gauge { grid-row: 1; }
}
@media print {
  :root, :root[data-theme] { color-scheme: light; --paper: #fff; --sheet: #fff; }
  body { max-width: none; padding: 0; font-size: .85rem; }
  .bar button, .skip, .readout { display: none; }
  section { margin-top: 2rem; }
  .ledger > li, .tie-card, .level, .compared li, .generations li { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .scroll { overflow: visible; }
  td:not(:last-child) { white-space: normal; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  details::details-content { display: block; content-visibility: visible; height: auto; opacity: 1; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
`;

export const STYLE = BASE + PICTURE_STYLE;
