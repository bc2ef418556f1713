import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import type { Driver } from '../../../provider/core/driver.ts';
import type { ResourceDefinition, ResourceState, Values } from '../../../provider/core/resource.ts';
import type { Store } from '../../../provider/core/store.ts';
import { localHost } from '../../../provider/hosts/local/host.ts';
import { hostSpec, locateHost, openHost } from '../../../provider/hosts/registry.ts';
import { makeProvider } from '../../../provider/resources/provider.ts';
import { STORE_TYPES } from '../../../provider/stores/registry.ts';
import { testContext } from '../context.ts';
import { SimulatedSystem, simulatedDriver } from './driver.ts';

type Definitions = Readonly<Record<'Snapshot' | 'Restore', ResourceDefinition>>;

interface Setting {
  readonly owner?: string;
  /** In the place of one with marks and epochs. */
  readonly driver?: Driver;
  /** Of the provider, beside the store. */
  readonly configuration?: Values;
}

/** The provider over a simulated system and a real store, both anew for each test of the file that asks. */
interface SimulatedResources {
  /** Holds the store, `store`. */
  readonly folder: string;
  readonly system: SimulatedSystem;
  definitions(setting?: Setting): Definitions;
  /** A Snapshot that has come to be. */
  created(overrides?: Values, member?: Values): Promise<ResourceState>;
  store(): Promise<Store>;
}

export const context = testContext();

/** Of a Snapshot with one member. */
export const inputsOf = (overrides: Values = {}, member: Values = {}): Values => ({
  name: 'shop',
  members: { a: { simulated: { place: 'here', password: 'hunter2', ...member } } },
  ...overrides,
});

export const generationOf = (state: ResourceState): number => state.outputs.generation as number;

const MACHINES = {
  host: localHost(),
  hostType: { spec: hostSpec, open: openHost, locate: locateHost },
  hosts: {},
};

export function simulatedResources(): SimulatedResources {
  let folder = '';
  let system = new SimulatedSystem();
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stasis-resources-'));
    system = new SimulatedSystem();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const definitions = ({ owner = 'test', driver, configuration }: Setting = {}): Definitions => {
    const drivers = [driver ?? simulatedDriver({ system, mark: true, watch: true })];
    const services = { drivers, storeTypes: STORE_TYPES, ...MACHINES, version: '0.0.0', owner };
    const store = { path: join(folder, 'store') };
    const { resources } = makeProvider(services).catalog({ store, ...configuration });
    return Object.fromEntries(resources.map((one) => [one.name, one])) as Definitions;
  };
  return {
    get folder() {
      return folder;
    },
    get system() {
      return system;
    },
    definitions,
    created: (overrides, member) =>
      definitions().Snapshot.apply({ inputs: inputsOf(overrides, member) }, context),
    store: () => STORE_TYPES[0]!.open({ path: join(folder, 'store') }, context),
  };
}
