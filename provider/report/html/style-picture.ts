/** How the picture of the cut looks. Its geometry is in percent, so that it is as wide as the page lets it. */
export const PICTURE_STYLE = `
.picture { margin: 0; }
.patterns { position: absolute; }
.band { padding-left: var(--names); }
.band svg, .ties, .scale-line { display: block; }
.flag-text { font: italic 1.05rem var(--serif); fill: var(--cut); }
p.flag { color: var(--bad); padding-left: var(--names); }
.cut { stroke: var(--cut); stroke-width: 1.5; }
.level { position: relative; }
.plot { position: relative; background: var(--sheet); border-top: 1px solid var(--rule); }
.through { position: absolute; inset: 0 0 0 var(--names); width: calc(100% - var(--names)); height: 100%; overflow: visible; pointer-events: none; }
.row { position: relative; display: grid; grid-template-columns: var(--names) minmax(0, 1fr); align-items: center; }
.row + .row { border-top: 1px solid var(--rule); }
.row .who { padding: 0 .8rem 0 .7rem; overflow-wrap: anywhere; line-height: 1.15; }
.level:not(.last) .who { font-size: .85rem; color: var(--faint); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.last .who { font-size: 1.1rem; }
.scale { padding-left: .7rem; font-size: .85rem; font-style: italic; color: var(--faint); line-height: 1.1; text-wrap: balance; }
.axis { z-index: 1; pointer-events: none; }
.axis text { paint-order: stroke; stroke: var(--paper); stroke-width: 6px; stroke-linejoin: round; }
.last { margin-bottom: 1.2rem; }
.lens { position: relative; margin-top: -24px; }
.lens .over { position: absolute; left: 0; bottom: 0; }
.lens svg { display: block; }
.window { fill: none; stroke: var(--faint); stroke-width: 1; }
.beam { fill: var(--sheet); }
.beam-edge { stroke: var(--faint); stroke-width: 1; vector-effect: non-scaling-stroke; }
.grid { stroke: var(--rule); stroke-width: 1; stroke-dasharray: 1 4; }
.shared { fill: var(--shared); }
.blur { fill: url(#grain); opacity: .45; }
.rule, .tick { stroke: var(--ink); stroke-width: 1; }
.fine { stroke: var(--faint); stroke-width: 1; }
.tick-label { font: .75rem var(--mono); fill: var(--faint); }
.tick-label.at-cut { fill: var(--cut); font-weight: 700; }
.end { font: .72rem var(--mono); fill: var(--ink); paint-order: stroke; stroke: var(--sheet); stroke-width: 4px; stroke-linejoin: round; }

.hold { fill: var(--hold); stroke: var(--hold); stroke-width: 1; }
.hold.frozen { fill: var(--hold); stroke: var(--ink); }
.hold.drained { fill-opacity: .45; }
.hold.still { fill: var(--still); fill-opacity: .28; stroke: var(--still); }
.smear { fill: url(#grain); stroke: var(--smear); stroke-width: 1; stroke-dasharray: 3 2; }
.grain-dot { fill: var(--smear); }
.pause { fill: url(#hatch); }
.hatch-ground { fill: var(--pause); opacity: .1; }
.hatch-line { stroke: var(--pause); stroke-width: 2; opacity: .5; }
.mark { fill: var(--sheet); fill-opacity: .82; stroke: var(--ink); stroke-width: 1.5; }
.dot { fill: var(--ink); }
.reading { fill: var(--faint); stroke: var(--faint); stroke-width: 1; }
.void { fill: none; stroke: var(--bad); stroke-dasharray: 3 3; }
.tie { cursor: pointer; outline: 0; }
.tie:hover .hold, .tie:hover .mark, .tie:hover .smear { stroke-width: 2.5; }
.tie:focus-visible .hold, .tie:focus-visible .mark, .tie:focus-visible .smear { stroke: var(--cut); stroke-width: 3; }
.elsewhere:hover .end, .elsewhere:focus-visible .end { fill: var(--cut); text-decoration: underline; }
.ruler { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 2 2; }
.ruler-text { font: .75rem var(--mono); fill: var(--ink); paint-order: stroke; stroke: var(--sheet); stroke-width: 4px; }
.readout { min-height: 1.6rem; padding-left: var(--names); font-style: italic; color: var(--faint); }
.legend { display: flex; flex-wrap: wrap; gap: .35rem 1.8rem; margin-top: .9rem; padding-left: var(--names); font-size: .9rem; color: var(--faint); }
.legend li { display: flex; align-items: center; gap: .6rem; }
.swatch { flex: none; }
@media (max-width: 45rem) {
  :root { --names: 0px; }
  .row { grid-template-columns: minmax(0, 1fr); }
  .row .who { padding: .35rem .3rem 0; justify-self: start; background: var(--sheet); }
  .axis .scale { position: absolute; left: 0; top: 24px; padding: 0 .4rem; background: var(--paper); }
  .level:not(.last) .who { padding-top: .15rem; line-height: 1; }
  .tick-label { font-size: .62rem; }
}
@media print { .tie { cursor: auto; } }
`;
