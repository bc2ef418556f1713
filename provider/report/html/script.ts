/**
 * What a page does besides showing everything: the theme's button, the line that says what is pointed at, a ruler, the
 * arrow keys. It sets text and attributes only, never markup. Plain JavaScript for browsers, kept as text because the
 * page's policy names it by its digest.
 */
export const SCRIPT = `'use strict';
(() => {
  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const button = document.getElementById('theme');
  const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches);
  const label = () => { button.textContent = isDark() ? 'Light' : 'Dark'; };
  button.addEventListener('click', () => { root.dataset.theme = isDark() ? 'light' : 'dark'; label(); });
  dark.addEventListener('change', label);
  label();
  button.hidden = false;

  const readout = document.getElementById('readout');
  const idle = 'Point at anything in the picture, or walk through it with the arrow keys.';
  const say = (text) => { readout.textContent = text || idle; };
  say('');
  readout.hidden = false;
  const picture = document.getElementById('picture');
  const saying = (event) => event.target.closest('[data-says]');
  picture.addEventListener('pointerover', (event) => { const at = saying(event); if (at) say(at.dataset.says); });
  picture.addEventListener('focusin', (event) => { const at = saying(event); if (at) say(at.dataset.says); });
  picture.addEventListener('focusout', () => say(''));
  picture.addEventListener('pointerleave', () => say(''));

  const rows = [...picture.querySelectorAll('.level.last .ties')].map((row) => {
    const ties = [...row.querySelectorAll('a.tie')];
    const start = (tie) => tie.getBoundingClientRect().left;
    return ties.sort((a, b) => start(a) - start(b));
  }).filter((row) => row.length > 0);
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  picture.addEventListener('keydown', (event) => {
    const step = steps[event.key];
    const y = rows.findIndex((row) => row.includes(event.target));
    if (!step || y < 0) return;
    const row = rows[Math.min(rows.length - 1, Math.max(0, y + step[0]))];
    const x = step[0] === 0 ? row.indexOf(event.target) + step[1] : Math.min(rows[y].indexOf(event.target), row.length - 1);
    row[Math.min(row.length - 1, Math.max(0, x))].focus();
    event.preventDefault();
  });

  const units = [[1e9, 's'], [1e6, 'ms'], [1e3, '\\u00b5s'], [1, 'ns']];
  const words = (ns) => {
    const [factor, unit] = units.find(([one]) => Math.abs(ns) >= one) || units[3];
    return (ns < 0 ? '\\u2212' : '+') + Number((Math.abs(ns) / factor).toPrecision(3)) + ' ' + unit;
  };
  const svg = (name) => document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const level of picture.querySelectorAll('.level')) {
    const through = level.querySelector('.through');
    const line = svg('line');
    const text = svg('text');
    line.setAttribute('class', 'ruler');
    text.setAttribute('class', 'ruler-text');
    line.setAttribute('y2', '100%');
    text.setAttribute('y', '11');
    const show = (event) => {
      const box = through.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      if (share < 0 || share > 1) return hide();
      const from = Number(level.dataset.from);
      const zero = level.dataset.cut === '' ? from : Number(level.dataset.cut);
      const x = 100 * share + '%';
      line.setAttribute('x1', x);
      line.setAttribute('x2', x);
      text.setAttribute('x', x);
      text.setAttribute('text-anchor', share > 0.8 ? 'end' : 'start');
      text.setAttribute('dx', share > 0.8 ? '-5' : '5');
      text.textContent = words(from + share * (Number(level.dataset.to) - from) - zero);
      through.append(line, text);
    };
    const hide = () => { line.remove(); text.remove(); };
    level.addEventListener('pointermove', show);
    level.addEventListener('pointerleave', hide);
  }

  const open = () => {
    const id = location.hash.slice(1);
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
    target.scrollIntoView({ block: 'start' });
    if (target.tabIndex === -1) target.focus({ preventScroll: true });
  };
  addEventListener('hashchange', open);
  open();

  const closed = [];
  addEventListener('beforeprint', () => {
    for (const one of document.querySelectorAll('details:not([open])')) { one.open = true; closed.push(one); }
  });
  addEventListener('afterprint', () => { for (const one of closed.splice(0)) one.open = false; });
})();
`;
