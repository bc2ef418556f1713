import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Lab } from '../support/lab.ts';
import type { HostOrder } from './host-death-child.ts';

export type Work = HostOrder['work'];

/** One run of ours over the hosts of the lab, as it goes on. */
export interface HostRun {
  /** A step picked at random, once it is reached; at the latest when all is over. */
  readonly reached: Promise<string>;
  /** How much later than that something may die, at random: most of the run is in between. */
  readonly spanMs: number;
  /** To our process; of an engine, to the engine alone. */
  signal(name: NodeJS.Signals): void;
  /** Nothing of ours runs any more: of an engine, its provider neither. */
  readonly ended: Promise<HostRunEnd>;
}

export interface HostRunEnd {
  readonly end: 'done' | 'failed' | 'gone';
  /** The last that was heard of it. */
  readonly told: string;
}

/** Who captures the members under a name of its own, and restores into a target that is named. */
export interface Performer extends AsyncDisposable {
  readonly snapshotName: string;
  start(work: Work, target: string): Promise<HostRun>;
}

/** Members, by whose pid file they are known, on both hosts; each is restored on the other one, and reached there at `ports`. */
export const MEMBERS = {
  tokens: {
    host: 'cloud',
    twinHost: 'sovereign',
    pidFile: '/run/tokens.pid',
    files: ['/srv/app/tokens'],
    ports: ['7170:7070'],
  },
  redis: {
    host: 'cloud',
    twinHost: 'sovereign',
    pidFile: '/run/redis.pid',
    files: ['/srv/app/redis'],
    ports: [],
  },
  cache: {
    host: 'sovereign',
    twinHost: 'cloud',
    pidFile: '/run/redis.pid',
    files: ['/srv/app/redis'],
    ports: ['7171:6379'],
  },
} as const;

export interface MemberOrder {
  readonly host: 'cloud' | 'sovereign';
  readonly pidFile: string;
  readonly files?: readonly string[];
  readonly ports?: readonly string[];
}

export function membersOf(work: Work, target: string): Readonly<Record<string, MemberOrder>> {
  return Object.fromEntries(
    Object.entries(MEMBERS).map(
      ([name, { host, twinHost, pidFile, files, ports }]): [string, MemberOrder] => [
        name,
        work === 'capture'
          ? { host, pidFile, files }
          : { host: twinHost, pidFile: `/run/${target}-${name}.pid`, ports },
      ],
    ),
  );
}

const STEPS: Readonly<Record<Work, readonly string[]>> = {
  capture: [
    ...['prepare', 'hold', 'frozen', 'frozen', 'mark', 'mark', 'mark', 'marked'],
    ...['copy', 'fingerprint', 'seal'],
  ],
  restore: ['verify', 'load', 'load', 'load', 'compare', 'compare', 'release'],
};
const CHILD_SPAN_MS = 250;
const CHILD_MS = 180_000;

/** A process of ours that tells at which step it is. */
export class ChildPerformer implements Performer {
  readonly snapshotName = 'hosts';
  private readonly lab: Lab;
  private readonly storeFolder: string;
  private readonly maxPauseMs: number;

  constructor(lab: Lab, storeFolder: string, maxPauseMs: number) {
    this.lab = lab;
    this.storeFolder = storeFolder;
    this.maxPauseMs = maxPauseMs;
  }

  async start(work: Work, target: string): Promise<HostRun> {
    const child = this.fork(work, target);
    const timer = setTimeout(() => child.kill('SIGKILL'), CHILD_MS);
    const exited = once(child, 'exit');
    const wanted = STEPS[work][Math.floor(Math.random() * STEPS[work].length)]!;
    const reached = Promise.withResolvers<string>();
    let last: HostRunEnd = { end: 'gone', told: '' };
    child.on('message', ({ step, code, message }: { step: string; code?: string; message?: string }) => {
      const end = step === 'done' || step === 'failed' ? step : 'gone';
      last = { end, told: code ? `${code} ${message}` : step };
      if (step === wanted) reached.resolve(step);
    });
    const ended = exited.then(() => {
      clearTimeout(timer);
      reached.resolve('its end');
      return last;
    });
    return { reached: reached.promise, spanMs: CHILD_SPAN_MS, signal: (name) => child.kill(name), ended };
  }

  private fork(work: Work, target: string): ChildProcess {
    const ssh = (name: 'cloud' | 'sovereign') => ({
      ...{ address: this.lab.hosts[name].address, user: 'root' },
      ...{ privateKeyFile: this.lab.keyFile, knownHostsFile: this.lab.knownHostsFile },
    });
    const order: HostOrder = {
      ...{ work, storeFolder: this.storeFolder, maxPauseMs: this.maxPauseMs, restoreId: target },
      ...{ name: this.snapshotName, members: membersOf(work, target) },
      hosts: { cloud: ssh('cloud'), sovereign: ssh('sovereign') },
    };
    return fork(join(import.meta.dirname, 'host-death-child.ts'), [], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, HOST_ORDER: JSON.stringify(order) },
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
