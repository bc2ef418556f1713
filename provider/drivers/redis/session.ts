import type { Context } from '../../core/context.ts';
import type { Session } from '../../core/driver.ts';
import { StasisError } from '../../core/errors.ts';
import type { Fingerprint } from '../../core/fingerprint.ts';
import type { Capture } from '../../core/manifest.ts';
import type { BlobReader, Blobs } from '../../core/store.ts';
import { sleep } from '../../core/wait.ts';
import { Connection, text } from './connection.ts';
import type { CapturedContent } from './content.ts';
import { copyRdb } from './copy.ts';
import { fingerprintOfCapture } from './fingerprint-capture.ts';
import { readInfo } from './info.ts';
import { Lock } from './lock.ts';
import { Marker } from './marker.ts';
import { refuseKind, whyNoUsers } from './plan.ts';
import { RedisAnswers } from './probe.ts';
import { readServerSettings } from './server-settings.ts';
import type { RedisSpec } from './spec.ts';
import { Watch } from './watch.ts';

/** How we are seen in CLIENT LIST, and how captures see each other. */
const CAPTURE_NAME = 'stasis-capture';
/** The server notices a closed connection within a moment; this is how long disposal watches it do so. */
const FAREWELL_MS = 2_000;

/** One capture of one server. */
export class RedisSession implements Session {
  readonly hold: Lock;
  readonly mark: Marker;
  readonly watch: Watch;
  readonly liveAnswers: RedisAnswers;
  private readonly connection: Connection;
  private readonly context: Context;
  private readonly usersOutside: string | undefined;
  private captured: CapturedContent | undefined;

  private constructor(
    connection: Connection,
    spec: RedisSpec,
    usersOutside: string | undefined,
    context: Context,
  ) {
    this.connection = connection;
    this.context = context;
    this.usersOutside = usersOutside;
    this.watch = new Watch(connection, usersOutside === undefined, context.clock);
    this.liveAnswers = new RedisAnswers(spec);
    this.mark = new Marker(spec, context, () => this.hold);
    this.hold = new Lock(connection, spec, usersOutside === undefined, context, (signal) =>
      this.mark.prepare(signal),
    );
  }

  /** @throws StasisError as plan reports, and `redis.capture-running` */
  static async open(spec: RedisSpec, context: Context): Promise<RedisSession> {
    const { signal } = context;
    const connection = await Connection.open(spec, signal);
    try {
      refuseKind(await readInfo(connection, signal));
      await insistOnBeingAlone(connection, signal);
      const outside = await whyNoUsers(spec, connection, signal);
      const session = new RedisSession(connection, spec, outside, context);
      await session.mark.prepare(signal);
      return session;
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
  }

  async copy(blobs: Blobs): Promise<Capture> {
    const mark = this.mark.current;
    if (mark === undefined)
      throw new StasisError('redis.no-mark', 'Nothing was marked that could be copied.');
    const settings = await readServerSettings(this.connection, this.context.signal);
    const { capture, content } = await copyRdb(mark, blobs, this.usersOutside, settings, this.context);
    this.captured = content;
    return capture;
  }

  fingerprint(blobs: BlobReader): Fingerprint {
    if (this.captured === undefined) throw new StasisError('redis.no-copy', 'Nothing was copied yet.');
    return fingerprintOfCapture(this.captured, blobs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hold.thaw().catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.context.logger.log('error', 'the server did not answer UNPAUSE; its own timer ends the pause', {
        reason,
      });
    });
    await this.liveAnswers[Symbol.asyncDispose]();
    const synced = this.mark.current !== undefined;
    await this.mark[Symbol.asyncDispose]();
    if (synced) await this.seeReplicaGone().catch(() => undefined);
    await this.connection[Symbol.asyncDispose]();
  }

  /** Only so that nothing of ours is left on the server when we say that we are done. */
  private async seeReplicaGone(): Promise<void> {
    const untilNs = this.context.clock.nowNs() + FAREWELL_MS * 1e6;
    while (this.connection.open && this.context.clock.nowNs() < untilNs) {
      const clients = text(await this.connection.attempt(['CLIENT', 'LIST'], { timeoutMs: FAREWELL_MS }));
      if (!clients.includes(`name=${CAPTURE_NAME}-sync`)) return;
      await sleep(10);
    }
  }
}

/**
 * One capture of a server at a time: a second fork would be none of ours. Each says who it is, and then looks who is
 * there; of two that start at once the one that connected first goes on.
 */
async function insistOnBeingAlone(connection: Connection, signal: AbortSignal): Promise<void> {
  await connection.call(['CLIENT', 'SETNAME', CAPTURE_NAME], { signal });
  const own = Number(text(await connection.call(['CLIENT', 'ID'], { signal })));
  const clients = text(await connection.attempt(['CLIENT', 'LIST'], { signal })).split('\n');
  const earlier = clients.find((line) => {
    const id = Number(/^id=(\d+)/.exec(line)?.[1]);
    return id < own && line.includes(` name=${CAPTURE_NAME} `);
  });
  if (earlier === undefined) return;
  const from = / addr=(\S+)/.exec(earlier)?.[1] ?? 'elsewhere';
  throw new StasisError(
    'redis.capture-running',
    `Another capture of this server is running (from ${from}).`,
    {
      hint: 'Wait until it is done.',
      at: ['url'],
    },
  );
}
