import type {
  Certificate,
  Hold,
  HoldKind,
  MarkTie,
  Pause,
  Smear,
  Tie,
} from '../../provider/core/certificate.ts';
import { judge, longestPauseMs } from '../../provider/core/judgement.ts';
import {
  FORMAT_VERSION,
  type Manifest,
  type MemberCapture,
  type OutsideItem,
} from '../../provider/core/manifest.ts';
import { NS_PER_MS, nsToMs } from '../../provider/core/units.ts';

/** Manifests for tests of what reads them. All times are milliseconds on the coordinator's clock. */

export function held(how: HoldKind, fromMs: number, toMs: number, epoch = 'e1'): Hold {
  const [heldFromNs, heldToNs] = [fromMs * NS_PER_MS, toMs * NS_PER_MS];
  const readings = [
    { sentNs: Math.max(0, heldFromNs - 1000), acknowledgedNs: heldFromNs, value: epoch },
    { sentNs: heldToNs, acknowledgedNs: heldToNs + 1000, value: epoch },
  ];
  return { tie: 'hold', how, heldFromNs, heldToNs, readings, captured: epoch, conditions: [] };
}

/** With the epoch of a hold it is covered by it. */
export function marked(fromMs: number, toMs: number, epoch?: string): MarkTie {
  const [sentNs, acknowledgedNs] = [fromMs * NS_PER_MS, toMs * NS_PER_MS];
  return { tie: 'mark', sentNs, acknowledgedNs, act: `mark at ${fromMs}`, epoch, conditions: [] };
}

export function smeared(fromMs: number, toMs: number, reason = 'a file changed while it was read'): Smear {
  return { tie: 'smear', fromNs: fromMs * NS_PER_MS, toNs: toMs * NS_PER_MS, reason };
}

export function paused(member: string, fromMs: number, toMs: number): Pause {
  return { member, fromNs: fromMs * NS_PER_MS, toNs: toMs * NS_PER_MS };
}

export interface MemberFixture {
  readonly driver: string;
  readonly sizeBytes: number;
  readonly summary: string;
  readonly ties: readonly Tie[];
  readonly outside?: readonly OutsideItem[];
}

const STARTED_AT = '2026-11-23T06:03:11.000Z';

export function manifestOf(
  members: Readonly<Record<string, MemberFixture>>,
  pauses: readonly Pause[] = [],
  overrides: Partial<Manifest> = {},
): Manifest {
  const ties = Object.entries(members).map(([name, member]) => [name, member.ties] as const);
  const certificate: Certificate = {
    formatVersion: 1,
    startedAt: STARTED_AT,
    members: Object.fromEntries(ties),
    pauses,
  };
  const { sharp, blurMs, cutNs } = judge(certificate);
  const captures = Object.entries(members).map(([name, member]) => [name, captureOf(name, member)] as const);
  return {
    formatVersion: FORMAT_VERSION,
    name: 'shop',
    generation: 4,
    cutAt: new Date(Date.parse(STARTED_AT) + nsToMs(cutNs ?? 0)).toISOString(),
    sharp,
    blurMs: blurMs ?? 0,
    pauseMs: longestPauseMs(pauses),
    certificate,
    members: Object.fromEntries(captures),
    sizeBytes: captures.reduce((sum, [, { sizeBytes }]) => sum + sizeBytes, 0),
    storedBytes: 143_000_000,
    newBytes: 97_400_000,
    createdBy: 'stasis 0.1.0',
    ...overrides,
  };
}

function captureOf(name: string, member: MemberFixture): MemberCapture {
  return {
    contentVersion: 1,
    content: {},
    sizeBytes: member.sizeBytes,
    summary: member.summary,
    coverage: { layers: ['data'], outside: member.outside ?? [] },
    system: { product: 'Thing', version: '1.0' },
    driver: member.driver,
    endpoint: `${name}.internal`,
    fidelity: 'equivalent',
    fingerprint: { digest: `sha256-64k:${'0'.repeat(64)}`, sizeBytes: 1, entries: 12 },
  };
}

/** The shop of the design: how its three members are tied to time is up to the test. */
export function shop(
  ties: {
    readonly orders: readonly Tie[];
    readonly sessions: readonly Tie[];
    readonly receipts: readonly Tie[];
  },
  pauses: readonly Pause[] = [],
  overrides: Partial<Manifest> = {},
): Manifest {
  const slots = { code: 'postgres.replication-slot', message: '2 replication slots' };
  return manifestOf(
    {
      orders: {
        driver: 'postgres',
        sizeBytes: 412_000_000,
        summary: '12 tables',
        ties: ties.orders,
        outside: [slots],
      },
      sessions: { driver: 'redis', sizeBytes: 88_000_000, summary: '1,204,331 keys', ties: ties.sessions },
      receipts: { driver: 'files', sizeBytes: 31_000_000, summary: '2,110 files', ties: ties.receipts },
    },
    pauses,
    overrides,
  );
}
