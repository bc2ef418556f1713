import { afterAll, beforeAll } from '@jest/globals';
import type { Host } from '../../provider/core/host.ts';
import type { HostName, Lab, LabHere } from './lab.ts';
import { labHost } from './process/rig.ts';

const SET_UP_MS = 240_000;

/** A lab of one test file's own, with a connection to each host that is asked for. */
export interface UsedLab {
  readonly lab: Lab;
  readonly cloud: Host;
  readonly sovereign: Host;
}

/**
 * From before the first test of the file until after its last; nothing where there can be none, which `testUnless`
 * says for each test.
 * @param ready what the tests need on it
 */
export function usedLab(here: LabHere, ready: () => Promise<void>): UsedLab {
  let lab: Lab | undefined;
  const open = new Map<HostName, Host & AsyncDisposable>();
  const started = (): Lab => {
    if (lab === undefined) throw new Error('the lab is not up');
    return lab;
  };
  const host = (name: HostName): Host => {
    const found = open.get(name) ?? labHost(started(), name);
    open.set(name, found);
    return found;
  };
  beforeAll(async () => {
    if (here.reason !== undefined) return;
    lab = await here.start();
    await ready();
  }, SET_UP_MS);
  afterAll(async () => {
    for (const each of open.values()) await each[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  }, SET_UP_MS);
  return {
    get lab() {
      return started();
    },
    get cloud() {
      return host('cloud');
    },
    get sovereign() {
      return host('sovereign');
    },
  };
}
