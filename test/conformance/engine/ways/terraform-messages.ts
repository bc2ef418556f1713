import type { Action, Outcome, Problem } from '../way.ts';
import type { Ended } from './group.ts';

/** What we read of the engine's messages, which `-json` prints one a line. */
interface Message {
  readonly type?: string;
  readonly change?: {
    readonly action: string;
    readonly resource: { readonly resource_type: string; readonly resource_name: string };
  };
  readonly diagnostic?: {
    readonly severity: string;
    readonly summary: string;
    readonly detail?: string;
    readonly address?: string;
  };
}

export function outcomeOf({ status, stdout, all }: Ended): Outcome {
  const messages = stdout.split('\n').flatMap(parsed);
  return {
    succeeded: status === 0,
    text: all,
    actions: Object.fromEntries(messages.flatMap(actionOf)),
    problems: messages.flatMap(problemOf),
  };
}

function parsed(line: string): Message[] {
  if (!line.startsWith('{')) return [];
  return [JSON.parse(line) as Message];
}

const ACTIONS: readonly string[] = ['create', 'update', 'replace', 'delete'] satisfies Action[];

function actionOf({ type, change }: Message): [string, Action][] {
  if (type !== 'planned_change' || change === undefined || !ACTIONS.includes(change.action)) return [];
  if (!change.resource.resource_type.startsWith('stasis_')) return [];
  return [[change.resource.resource_name, change.action as Action]];
}

/** Ours end with the place and the code. */
const OURS = /\((?:at ([^,]+), )?code ([a-z.-]+)\)/;

function problemOf({ type, diagnostic }: Message): Problem[] {
  if (type !== 'diagnostic' || diagnostic === undefined) return [];
  const [, at = '', code] = OURS.exec(diagnostic.detail ?? '') ?? [];
  if (code === undefined) return [];
  return [
    {
      severity: diagnostic.severity === 'warning' ? 'warning' : 'error',
      resource: diagnostic.address?.split('.').at(-1),
      at: at.split('.').map(camelCase).join('.'),
      code,
    },
  ];
}

export function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}
