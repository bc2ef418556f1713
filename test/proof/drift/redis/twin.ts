import type { Command } from '../../../../provider/drivers/redis/connection.ts';
import type { Drift, Twin } from '../drift.ts';

/** A Redis of its own that was restored into. */
export interface RedisTwin extends Twin {
  /** Runs commands one after another on one connection; throws what the server refuses. */
  tell(...commands: Command[]): Promise<void>;
  /** One command, and what redis-cli prints of the answer. */
  ask(...command: string[]): Promise<string>;
}

/** A change by commands. */
export function byCommands(
  name: string,
  commands: readonly Command[],
  objects: readonly string[],
  more: Pick<Drift, 'unseen' | 'harmless'> = {},
): Drift<RedisTwin> {
  return { ...{ name, objects, ...more }, change: (twin) => twin.tell(...commands) };
}
