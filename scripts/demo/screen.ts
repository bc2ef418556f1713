import { formatBytes, formatMs } from '../../provider/core/units.ts';
import { renderTimeline } from '../../provider/engines/cli/timeline.ts';
import type { DemoResult } from './run-demo.ts';
import type { ShopStores } from './shop/stores.ts';

const MAX_WIDTH = 140;

/** What the demo has to show, on one screen. */
export function drawScreen(
  result: DemoResult,
  terminal: { readonly columns?: number; readonly color: boolean },
): string {
  const { applied, audit, shop, snapshot } = result;
  const width = Math.min(terminal.columns ?? 100, MAX_WIDTH);
  const { digest, manifest } = snapshot;
  const books = `${audit.orders} orders in Postgres, ${audit.lastOrders} told to Redis, ${audit.receipts} receipts`;
  const underWay = audit.orders - audit.receipts;
  const instant = underWay === 0 ? 'one instant' : `one instant, with ${underWay} under way`;
  const facts: readonly (readonly [string, string])[] = [
    ['engine', result.engineTitle],
    [
      'the shop',
      `sold on: ${shop.orders} orders so far, ${formatMs(shop.medianMs)} each, ${formatMs(shop.slowestMs)} the slowest`,
    ],
    [
      'the twin',
      `${applied.verdict}, ${formatBytes(applied.sizeBytes)} restored in ${formatMs(applied.restoreMs)} out of ${formatBytes(applied.storedBytes)}`,
    ],
    ...warmthFacts(applied.warmth),
    ['its books', `${books}: ${audit.consistent ? instant : audit.faults.join('; ')}`],
    ...memoryFacts(result.memory),
    ['second plan', secondPlan(result.secondPlanEmpty)],
  ];
  const lines = facts.map(([name, text]) => `  ${name.padEnd(12)}${text}`);
  return ['', renderTimeline(manifest, { width, color: terminal.color, digest }), '', ...lines, ''].join(
    '\n',
  );
}

function warmthFacts(warmth: DemoResult['applied']['warmth']): [string, string][] {
  return Object.entries(warmth).map(([name, { hotBytes, warmedBytes }]) => [
    'its caches',
    `${formatBytes(warmedBytes)} of ${name} were back before the first customer; ${formatBytes(hotBytes)} had been hot`,
  ]);
}

function memoryFacts(memory: DemoResult['memory']): [string, string][] {
  if ('reason' in memory) return [['in memory', `nothing was captured: ${memory.reason}`]];
  const { loggedIn, stillLoggedIn, stepAtCut, stepNow, stepsInAll, awayMs, faults } = memory;
  const number = (value: number): string => value.toLocaleString('en');
  if (faults.length > 0) return [['in memory', faults.join('; ')]];
  return [
    ['logged in', `${stillLoggedIn} of ${loggedIn} customers still are, whose tokens are in no store`],
    [
      'its job',
      `goes on at step ${number(stepAtCut ?? 0)} of ${number(stepsInAll)} after ${formatMs(awayMs ?? 0)} away, now at ${number(stepNow)}; none left out`,
    ],
  ];
}

function secondPlan(empty: boolean | null): string {
  if (empty === null) return 'none: the command line keeps no state';
  return empty ? 'empty' : 'NOT empty';
}

/** How to look at the two sides while they are left up. */
export function drawKept(shop: ShopStores, twin: ShopStores): string {
  const lines = [
    ['the shop', shop],
    ['the twin', twin],
  ] as const;
  return [
    ...lines.flatMap(([name, stores]) => [
      `  ${name}`,
      `    psql ${stores.ordersUrl}`,
      `    redis-cli -u ${stores.cartsUrl}`,
      `    ls ${stores.receiptsPath}`,
    ]),
    '  Ctrl-C ends both.',
    '',
  ].join('\n');
}
