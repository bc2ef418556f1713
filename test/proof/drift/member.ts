import type { Member } from '../../../provider/coordinator/member.ts';
import type { Host } from '../../../provider/core/host.ts';
import { DRIVERS } from '../../../provider/drivers/registry.ts';
import { localHost } from '../../../provider/hosts/local/host.ts';

/** The one member of these snapshots, as a resource would hand it to the coordinator. */
export function memberOf(driverName: string, spec: unknown, host: Host = localHost()): Member {
  const driver = DRIVERS.find(({ name }) => name === driverName);
  if (driver === undefined) throw new Error(`no driver ${driverName}`);
  return { name: driverName, driver, spec: driver.spec.parse(spec), host };
}
