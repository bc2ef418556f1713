import { DRIVERS } from '../drivers/registry.ts';
import { localHost } from '../hosts/local/host.ts';
import { hostSpec, locateHost, openHost } from '../hosts/registry.ts';
import type { Services } from '../resources/services.ts';
import { STORE_TYPES } from '../stores/registry.ts';
import { VERSION } from './version.ts';

/** Everything that resources work with; the one place that knows the registries. */
export function makeServices(owner: string): Services {
  return {
    drivers: DRIVERS,
    storeTypes: STORE_TYPES,
    host: localHost(),
    hostType: { spec: hostSpec, open: openHost, locate: locateHost },
    hosts: {},
    version: VERSION,
    owner,
  };
}
