import type { Member } from '../../provider/coordinator/member.ts';
import type { Host } from '../../provider/core/host.ts';
import { DRIVERS } from '../../provider/drivers/registry.ts';
import { localHost } from '../../provider/hosts/local/host.ts';

/** A member as a resource would hand it to the coordinator: of this machine, and named as its driver, unless said. */
export function memberOf(
  driverName: string,
  spec: unknown,
  { name = driverName, host = localHost() }: { readonly name?: string; readonly host?: Host } = {},
): Member {
  const driver = DRIVERS.find((one) => one.name === driverName);
  if (driver === undefined) throw new Error(`no driver ${driverName}`);
  return { name, driver, spec: driver.spec.parse(spec), host };
}
