import { z } from 'zod';
import type { Context } from '../../core/context.ts';
import type { FenceControl } from '../../core/controls.ts';
import type { RestoreOptions } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Host } from '../../core/host.ts';
import { orCancelled, sleep } from '../../core/wait.ts';
import { Connection } from './connect/connection.ts';
import { isInTheWay } from './connect/faults.ts';
import { parsePlace } from './connect/place.ts';
import { serverFacts } from './connect/server.ts';
import { endSessions, listSessions, type ServerSession } from './connect/sessions.ts';
import { optionalText, text } from './connect/sql.ts';
import { isClient, obstacles, passingUsers } from './fence-obstacles.ts';
import type { MariadbSpec } from './spec.ts';

/** How long others' statements that write are waited for, before their sessions are ended; whole seconds. */
const WAIT_S = 2;
/** How long sessions are ended until none is left. */
const END_MS = 15_000;
const POLL_MS = 100;
/** So often in a row nobody is there who may write: one that was just logging in shows a moment later. */
const QUIET_LOOKS = 3;
const LIFT_MS = 30_000;

/** The settings that were about to be turned on, in that order, each with what a start of the server would have set. */
const entrySchema = z.object({
  fenced: z.array(z.object({ setting: z.string(), kept: z.string().optional() })),
});

export type FenceEntry = z.infer<typeof entrySchema>;

/** Undefined for what is no entry of a fence. */
export function parseFenceEntry(entry: unknown): FenceEntry | undefined {
  return entrySchema.safeParse(entry).data;
}

/**
 * The whole server is told to be read only, which waits for statements that write and refuses the commit of what was
 * begun before; and all sessions that there were are ended. What that does not keep from writing is an obstacle, or is
 * ended until it stays away.
 */
export const fence: FenceControl<MariadbSpec> = {
  obstacles,
  raise: (spec, at, journal, context) =>
    orCancelled(context.signal, () => {
      const { host, port } = parsePlace(spec.url, at);
      return inTurn(`${host}:${port} from ${at.place ?? ''}`, () => raise(spec, at, journal, context));
    }),
};

/** Of one server one after another, as members may be databases of one: each would end the session of the other. */
const turns = new Map<string, Promise<unknown>>();

function inTurn<T>(server: string, work: () => Promise<T>): Promise<T> {
  const mine = (turns.get(server) ?? Promise.resolve()).then(work);
  turns.set(
    server,
    mine.catch(() => undefined),
  );
  return mine;
}

async function raise(
  spec: MariadbSpec,
  at: Host,
  journal: RestoreOptions['journal'],
  { signal }: Context,
): Promise<void> {
  const place = parsePlace(spec.url, at);
  await using session = await Connection.open(place, { signal });
  try {
    await fenceServer(session, journal, signal);
  } catch (error) {
    // A statement that was cut off while it waited would be done behind the back of whoever lifts the fence.
    await endSessions(place, [session.id]);
    throw error;
  }
}

async function fenceServer(
  session: Connection,
  journal: RestoreOptions['journal'],
  signal: AbortSignal,
): Promise<void> {
  const { fence: rules } = session.product;
  const off = await turnedOff(session, signal);
  const kept = new Map(
    (rules.kept === undefined ? [] : await session.rows(rules.kept, signal)).map((row) => [
      text(row, 'name'),
      optionalText(row, 'value'),
    ]),
  );
  await journal({
    fenced: off.map((setting) => ({ setting, kept: kept.get(setting) })),
  } satisfies FenceEntry);
  await session.run(`SET SESSION lock_wait_timeout = ${WAIT_S}`, signal);
  const untilMs = performance.now() + END_MS;
  for (const setting of off) await turnOn(session, rules.on(setting), untilMs, signal);
  await endOthers(session, untilMs, signal);
}

/** Those of the settings of a fence that are not on, in order. */
async function turnedOff(session: Connection, signal: AbortSignal): Promise<string[]> {
  const off: string[] = [];
  for (const setting of session.product.fence.settings) {
    const row = await session.row(`SELECT @@GLOBAL.${setting} AS value`, signal);
    if (['0', 'OFF'].includes(text(row, 'value'))) off.push(setting);
  }
  return off;
}

/** It waits for others' statements and locks; whoever is still in the way then loses his session. */
async function turnOn(
  session: Connection,
  statement: string,
  untilMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      return await session.run(statement, signal);
    } catch (error) {
      if (!isInTheWay(error) || performance.now() > untilMs) throw error;
    }
    await end(session, await others(session, signal), signal);
  }
}

/** Who may write all the same is ended whenever he comes; of all others those that were there before. */
async function endOthers(session: Connection, untilMs: number, signal: AbortSignal): Promise<void> {
  const { release, grants } = await serverFacts(session, signal);
  const passing = new Set((await passingUsers(session, release, grants, signal)).map(({ user }) => user));
  const newest = Math.max(...(await listSessions(session, signal)).map(({ id }) => id));
  for (let quiet = 0; quiet < QUIET_LOOKS; ) {
    const left = (await others(session, signal)).filter(({ id, user }) => id <= newest || passing.has(user));
    quiet = left.length === 0 ? quiet + 1 : 0;
    if (performance.now() > untilMs) throw notFenced(left);
    await end(session, left, signal);
    await sleep(POLL_MS, signal);
  }
}

async function others(session: Connection, signal: AbortSignal): Promise<ServerSession[]> {
  return (await listSessions(session, signal)).filter((one) => one.id !== session.id && isClient(one));
}

async function end(
  session: Connection,
  sessions: readonly ServerSession[],
  signal: AbortSignal,
): Promise<void> {
  // One that has ended by itself cannot be ended.
  for (const { id } of sessions) await session.run(session.product.end(id), signal).catch(() => {});
}

function notFenced(left: readonly ServerSession[]): StasisError {
  const users = [...new Set(left.map(({ user }) => user))].sort().join(', ');
  return new StasisError(
    'mariadb.not-fenced',
    `Sessions that may write could not be ended, or come back: ${users}.`,
    {
      hint: 'Stop these clients, or let them log in as somebody who may not write to a server that is read only.',
      at: ['url'],
    },
  );
}

/** Idempotent. What was on before the fence stays on. */
export async function lift(spec: MariadbSpec, at: Host, { fenced }: FenceEntry): Promise<void> {
  const signal = AbortSignal.timeout(LIFT_MS);
  await using session = await Connection.open(parsePlace(spec.url, at), { signal });
  for (const { setting, kept } of fenced.toReversed())
    for (const statement of session.product.fence.off(setting, kept)) await session.run(statement, signal);
}
