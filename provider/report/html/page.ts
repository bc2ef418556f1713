import { hash } from 'node:crypto';
import type { Report } from '../schema.ts';
import { headline } from '../words.ts';
import { drawEvidence } from './evidence.ts';
import { html, Markup } from './markup.ts';
import { drawDoubts, drawMasthead } from './masthead.ts';
import { drawMembers } from './members.ts';
import { drawOutcome } from './outcome.ts';
import { drawPicture } from './picture.ts';
import { drawProbes } from './probes.ts';
import { SCRIPT } from './script.ts';
import { drawStore } from './store.ts';
import { STYLE } from './style.ts';

/**
 * One page that needs nothing else: no request leaves it, and nothing runs in it but our own script, by its digest.
 * Without the script everything is there to be read.
 */
export function renderHtml(report: Report): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="${report.createdBy}">
<title>${report.name}, generation ${report.generation}: ${headline(report)}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<a class="skip" href="#picture">To the picture of the cut</a>
<nav class="bar" aria-label="Report"><span class="brand">Stasis</span><span class="reference"><code>${report.reference}</code></span><button type="button" id="theme" hidden>Dark</button></nav>
<main>
${drawMasthead(report)}
${drawDoubts(report)}
${drawPicture(report)}
${report.outcome === null ? undefined : drawOutcome(report.outcome)}
${drawProbes(report)}
${drawMembers(report)}
${drawStore(report)}
${drawEvidence(report)}
</main>
<footer>${drawFoot(report)}</footer>
<script>${new Markup(SCRIPT)}</script>
</body>
</html>
`;
  return page.text;
}

const POLICY = [
  "default-src 'none'",
  `style-src '${digestOf(STYLE)}'`,
  `script-src '${digestOf(SCRIPT)}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

function digestOf(text: string): string {
  return `sha256-${hash('sha256', text, 'base64')}`;
}

/** How a reader who does not trust this page finds out. */
function drawFoot({ reference, store, createdBy }: Report): Markup {
  return html`<p>Do not take this page's word for it. The proof lies in the snapshot, and anyone can judge it again:</p>
<pre><code>stasis verify ${reference} --store ${store}</code></pre>
<p class="fine-print">Made by ${createdBy}.</p>`;
}
