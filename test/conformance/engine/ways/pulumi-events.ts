import type { Action, Outcome, Problem } from '../way.ts';
import type { Ended } from './group.ts';

/** What we read of the engine's events, one a line. */
interface Event {
  readonly resourcePreEvent?: { readonly metadata: { readonly op: string; readonly urn: string } };
  readonly diagnosticEvent?: { readonly urn?: string; readonly message: string; readonly severity: string };
}

export function outcomeOf({ status, all }: Ended, log: string): Outcome {
  // A run that was killed may have ended in the middle of a line.
  const lines = log.split('\n').filter((line) => line.endsWith('}'));
  const events = lines.map((line) => JSON.parse(line) as Event);
  return {
    succeeded: status === 0,
    text: all,
    actions: Object.fromEntries(events.flatMap(actionOf)),
    problems: events.flatMap(problemsOf),
  };
}

const ACTIONS: Readonly<Record<string, Action>> = {
  create: 'create',
  update: 'update',
  delete: 'delete',
  replace: 'replace',
  'create-replacement': 'replace',
};

function actionOf({ resourcePreEvent }: Event): [string, Action][] {
  const { op = '', urn = '' } = resourcePreEvent?.metadata ?? {};
  const action = ACTIONS[op];
  return action === undefined || !urn.includes('::stasis:index:') ? [] : [[nameOf(urn), action]];
}

/** A failed check names the property itself; what else is ours ends with the place and the code. */
const CHECK = /property (\S+) value [\s\S]*? has a problem: [\s\S]*?\(code ([a-z.-]+)\)/g;
const OURS = /\((?:at ([^,()]+), )?code ([a-z.-]+)\)/g;

function problemsOf({ diagnosticEvent }: Event): Problem[] {
  const { urn, message = '', severity = '' } = diagnosticEvent ?? {};
  if (severity !== 'error' && severity !== 'warning') return [];
  const checked = [...message.matchAll(CHECK)];
  return (checked.length > 0 ? checked : [...message.matchAll(OURS)]).map(([, at = '', code = '']) => ({
    ...{ severity, at, code },
    resource: urn === undefined || urn === '' ? undefined : nameOf(urn),
  }));
}

function nameOf(urn: string): string {
  return urn.split('::').at(-1) ?? urn;
}
