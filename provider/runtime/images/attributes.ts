import type { FingerprintEntry } from '../../core/fingerprint.ts';
import { digestOf } from '../../core/fingerprint-digest.ts';
import { type Images, readEntries } from './image.ts';
import type { Message } from './wire.ts';

/** Fields of CRIU's images/*.proto. */
const CORE = { thread: 3, threadCore: 5 } as const;
const TASK = { timers: 7, limits: 8, killScore: 14, signalActions: 15 } as const;
const CREDENTIALS = 10;
const FOLDERS = { current: 1, root: 2, mask: 3 } as const;
const MEMORY = { program: 12, dumpable: 15 } as const;

/** A process, and how it is dumped. */
export interface AttributesOf {
  readonly pid: number;
  /** That of its first thread, which has what all threads share. */
  readonly core: Message;
  /** The path that a number of files.img leads to. */
  readonly shown: (file: number) => string;
}

/** What the kernel keeps of a process beside its threads' registers, what it has open and its memory. */
export async function fingerprintAttributes(images: Images, of: AttributesOf): Promise<FingerprintEntry[]> {
  const { pid, core } = of;
  const task = core.message(CORE.thread);
  const limits = task?.message(TASK.limits)?.messages(1) ?? [];
  const actions = task?.messages(TASK.signalActions) ?? [];
  return [
    {
      object: `process/${pid}/limits`,
      digest: digestOf(...limits.flatMap((limit) => [limit.big(1), limit.big(2)])),
    },
    {
      object: `process/${pid}/signals`,
      digest: digestOf(...actions.flatMap((action) => [1, 2, 3, 4].map((field) => action.big(field)))),
    },
    {
      object: `process/${pid}/credentials`,
      digest: digestOf(credentialsOf(core)),
      facts: credentialFacts(core),
    },
    ...(await folders(images, of)),
    ...(await program(images, of, task)),
    ...timers(pid, task?.message(TASK.timers)),
  ];
}

/**
 * Numbers of users and groups, capabilities, and how they are kept; the profile of a security module is the host's. The
 * kernel keeps them by thread: those of a process are its first thread's, and each other thread has its own.
 */
export function credentialsOf(core: Message): string {
  const credentials = core.message(CORE.threadCore)?.message(CREDENTIALS);
  const all = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
  return all.map((field) => credentials?.numbers(field).join() ?? '').join(' ');
}

/** For people: its effective user and group, its further groups, and its effective capabilities as the kernel shows them. */
function credentialFacts(core: Message): Readonly<Record<string, string | number>> {
  const credentials = core.message(CORE.threadCore)?.message(CREDENTIALS);
  const [low = 0, high = 0] = credentials?.numbers(11) ?? [];
  const capabilities = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return {
    ...{ user: credentials?.number(3) ?? 0, group: credentials?.number(4) ?? 0 },
    groups: credentials?.numbers(14).join(' ') ?? '',
    capabilities: capabilities.toString(16).padStart(16, '0'),
  };
}

async function folders(images: Images, { pid, shown }: AttributesOf): Promise<FingerprintEntry[]> {
  const name = `fs-${pid}.img`;
  if (!images.names.includes(name)) return [];
  const [entry] = await readEntries(images, name);
  if (entry === undefined) return [];
  const path = shown(entry.number(FOLDERS.current));
  const mask = entry.number(FOLDERS.mask).toString(8).padStart(4, '0');
  return [
    {
      object: `process/${pid}/folder`,
      digest: digestOf(path, shown(entry.number(FOLDERS.root))),
      facts: { path },
    },
    { object: `process/${pid}/umask`, digest: digestOf(mask), facts: { umask: mask } },
  ];
}

async function program(
  images: Images,
  { pid, shown }: AttributesOf,
  task: Message | undefined,
): Promise<FingerprintEntry[]> {
  const name = `mm-${pid}.img`;
  if (!images.names.includes(name)) return [];
  const [memory] = await readEntries(images, name);
  const path = shown(memory?.number(MEMORY.program) ?? 0);
  return [
    {
      object: `process/${pid}/program`,
      digest: digestOf(
        path,
        memory?.number(MEMORY.dumpable) ?? 0,
        Number(BigInt.asIntN(32, task?.big(TASK.killScore) ?? 0n)),
      ),
      facts: { path },
    },
  ];
}

/** A timer that comes due once may have done so before it is looked at again, unless that is this far away. */
const FAR_S = 600;

/** Each timer's period, and that it is there. When it is due next passes by while nothing executes, and is no part. */
function timers(pid: number, all: Message | undefined): FingerprintEntry[] {
  if (all === undefined) return [];
  const kinds = ['real', 'virtual', 'profiling'].map((kind, index) => {
    const [periodS, periodRest, dueS, dueRest] = numbersOf(all.message(index + 1), 1);
    return { name: kind, about: '', periodS, periodRest, dueS, dueRest };
  });
  const posix = all.messages(4).map((timer) => {
    const [periodS, periodRest, dueS, dueRest] = numbersOf(timer, 7);
    const about = [2, 3, 4, 5, 11].map((field) => timer.big(field)).join();
    return { name: String(timer.number(1)), about, periodS, periodRest, dueS, dueRest };
  });
  return [
    ...kinds.filter(({ periodS, periodRest, dueS, dueRest }) => periodS + periodRest + dueS + dueRest > 0),
    ...posix,
  ].map(({ name, about, periodS, periodRest, dueS }) => ({
    object: `process/${pid}/timer/${name}`,
    digest: digestOf(about, periodS, periodRest),
    ...(about === '' && periodS + periodRest === 0 && dueS < FAR_S ? { mayVanishAtMs: 0 } : {}),
  }));
}

function numbersOf(timer: Message | undefined, from: number): [number, number, number, number] {
  const at = (offset: number): number => timer?.number(from + offset) ?? 0;
  return [at(0), at(1), at(2), at(3)];
}
