import { randomInt } from 'node:crypto';
import { StasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import { sleep, within } from '../../../core/wait.ts';
import type { Access } from '../monitor/access.ts';
import { type Answer, Conversation, lineOf, sentence } from '../monitor/conversation.ts';
import { agentRelayOf, THAWED } from './access.ts';

/** A guest that runs answers within a second; one that does not run, never. */
const SYNC_MS = 5_000;
/** What the guest has in its caches is written first. */
const ANSWER_MS = 20_000;
const THAW_MS = 10_000;
const RETRY_MS = 100;
/** What a byte that is no UTF-8 is read as: the agent puts 0xFF before the answer to a sync. */
const MARKED = '\ufffd';
const MAX_ID = 2 ** 31 - 1;

interface Info {
  readonly supported_commands: readonly { readonly name: string; readonly enabled: boolean }[];
}

/** A conversation with the agent of a guest (qemu-ga) about its file systems. */
export class GuestAgent implements AsyncDisposable {
  private readonly conversation: Conversation;

  private constructor(conversation: Conversation) {
    this.conversation = conversation;
  }

  /**
   * @param folder of the capture; without one nothing may be frozen
   * @throws StasisError `vm.agent-unreachable`, `vm.agent-silent`
   */
  static async open(
    host: Host,
    access: Access,
    folder: string | undefined,
    signal: AbortSignal,
  ): Promise<GuestAgent> {
    const id = randomInt(1, MAX_ID);
    const synced = Promise.withResolvers<void>();
    synced.promise.catch(() => {});
    let ours = false;
    const read = (line: string): Answer | undefined => {
      const said = line.slice(line.lastIndexOf(MARKED) + 1);
      if (ours) return JSON.parse(said) as Answer;
      ours = answers(said, id);
      if (ours) synced.resolve();
      return undefined;
    };
    const conversation = await Conversation.open(host, agentRelayOf(access, folder), read, lost);
    void conversation.ended.then((said) => synced.reject(unreachable(said)));
    try {
      conversation.say(lineOf('guest-sync-delimited', { id }));
      await within(SYNC_MS, "the agent's first answer", signal, () => synced.promise);
      return new GuestAgent(conversation);
    } catch (error) {
      await conversation[Symbol.asyncDispose]();
      throw error instanceof StasisError && error.code === 'timeout' ? silent(error) : error;
    }
  }

  /** @throws StasisError `vm.agent-cannot-freeze`, `vm.agent-frozen` where somebody else has frozen */
  async check(signal: AbortSignal): Promise<void> {
    const { supported_commands: commands } = await this.execute<Info>('guest-info', signal);
    const enabled = (name: string): boolean => commands.some((each) => each.name === name && each.enabled);
    // Of a guest that is frozen the command to freeze is not enabled.
    if ((await this.status(signal)) === 'frozen') throw frozen();
    if (!enabled('guest-fsfreeze-freeze') || !enabled('guest-fsfreeze-thaw')) throw unable();
  }

  /** How many file systems it has frozen. @throws StasisError `vm.agent-refused`, after which it has frozen none */
  async freeze(signal: AbortSignal): Promise<number> {
    let frozen = 0;
    try {
      frozen = await this.execute<number>('guest-fsfreeze-freeze', signal);
    } catch (error) {
      if (error instanceof StasisError && error.code === 'vm.agent-refused') this.conversation.say(THAWED);
      throw error;
    }
    if (frozen === 0) this.conversation.say(THAWED);
    return frozen;
  }

  /** How many file systems it has thawed; none where somebody else has. The VM has to run. */
  async thaw(): Promise<number> {
    const thawed = await within(THAW_MS, "thawing the guest's file systems", undefined, async (signal) => {
      for (;;)
        try {
          return await this.execute<number>('guest-fsfreeze-thaw', signal);
        } catch (error) {
          if (!(error instanceof StasisError) || error.code !== 'vm.agent-refused') throw error;
          if ((await this.status(signal)) === 'thawed') return 0;
          await sleep(RETRY_MS, signal);
        }
    });
    this.conversation.say(THAWED);
    return thawed;
  }

  private status(signal: AbortSignal): Promise<string> {
    return this.execute<string>('guest-fsfreeze-status', signal);
  }

  private async execute<T>(command: string, signal: AbortSignal): Promise<T> {
    const answer = this.conversation.ask(lineOf(command));
    const what = `the agent's answer to ${command}`;
    const { error, return: value } = await within(ANSWER_MS, what, signal, () => answer);
    if (error)
      throw new StasisError(
        'vm.agent-refused',
        `The guest's agent refuses ${command}: ${sentence(error.desc)}`,
      );
    return value as T;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.conversation[Symbol.asyncDispose]();
  }
}

/** Whether a line, which may be the rest of somebody else's answer, answers the sync of that number. */
function answers(line: string, id: number): boolean {
  try {
    return (JSON.parse(line) as Answer).return === id;
  } catch {
    return false;
  }
}

function silent(cause: StasisError): StasisError {
  return new StasisError('vm.agent-silent', "The guest's agent does not answer.", {
    hint: 'Let qemu-ga run in the guest. Its socket serves one client at a time: nobody else may be connected to it.',
    cause,
  });
}

function unreachable(said: string): StasisError {
  const why = said.trim().split('\n').at(-1);
  return new StasisError(
    'vm.agent-unreachable',
    `The guest's agent cannot be reached${why ? `: ${sentence(why)}` : '.'}`,
    { hint: 'Name the socket of the channel org.qemu.guest_agent.0 on the host of QEMU.' },
  );
}

function frozen(): StasisError {
  return new StasisError('vm.agent-frozen', "The guest's file systems are frozen already, not by us.", {
    hint: 'Wait for whoever has frozen them, such as a backup, or have the agent thaw them.',
  });
}

function unable(): StasisError {
  return new StasisError('vm.agent-cannot-freeze', "The guest's agent may not freeze its file systems.", {
    hint: 'Allow it guest-fsfreeze-freeze and guest-fsfreeze-thaw, or end it, to capture the disks as after a power cut.',
  });
}

function lost(): StasisError {
  return new StasisError('vm.agent-lost', "The conversation with the guest's agent was cut off.", {
    hint: 'The VM has ended, its host cannot be reached, or the watchdog has let it go on.',
  });
}
