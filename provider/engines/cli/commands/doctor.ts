import { readFile } from 'node:fs/promises';
import { arch, availableParallelism, freemem, release, totalmem, type, userInfo } from 'node:os';
import type { Driver } from '../../../core/driver.ts';
import { type StasisError, toStasisError } from '../../../core/errors.ts';
import type { Host } from '../../../core/host.ts';
import { formatBytes } from '../../../core/units.ts';
import { within } from '../../../core/wait.ts';
import { withHosts } from '../../../resources/services.ts';
import { openStore } from '../../../resources/stores.ts';
import { type DriverHealth, type Found, type Health, type HostHealth, renderDoctor } from '../doctor.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { defaultsOf, type Invocation, readInputs, resourceOf } from '../invocation.ts';

const EXAMINE_MS = 20_000;
const ENGINES = ['terraform', 'tofu'] as const;

/**
 * What this machine can capture, and what is missing; likewise on each host that a file of inputs names. Reads only; it
 * fails only where nothing could be captured.
 */
export async function doctor(
  invocation: Invocation,
  { file }: { readonly file?: string } = {},
): Promise<ExitStatus> {
  const { services, output } = invocation;
  const health: Health = {
    version: services.version,
    drivers: await examineAll(services.host, invocation),
    hosts: await hostsOf(invocation, file),
    machine: await machineFacts(),
    engines: await enginesOnPath(invocation),
    store: await storeHealth(invocation),
  };
  const told = <Part extends { readonly problems: readonly StasisError[] }>(part: Part) => ({
    ...part,
    problems: part.problems.map((each) => output.jsonOf(each)),
  });
  const values = {
    ...health,
    drivers: health.drivers.map(told),
    hosts: health.hosts.map((host) => ({ ...told(host), drivers: host.drivers.map(told) })),
    store: told(health.store),
  };
  output.result(values, (look) => renderDoctor(health, look));
  const isUsable = (problems: DriverHealth['problems']): boolean =>
    problems.every(({ severity }) => severity !== 'error');
  const canCapture =
    health.drivers.some(({ problems }) => isUsable(problems)) && isUsable(health.store.problems);
  return canCapture ? EXIT.done : EXIT.failed;
}

function examineAll(host: Host, invocation: Invocation): Promise<DriverHealth[]> {
  return Promise.all(invocation.services.drivers.map((driver) => examine(driver, host, invocation)));
}

/** Each host of the file by itself: one that cannot be reached says so once, and not once a driver. */
async function hostsOf(invocation: Invocation, file: string | undefined): Promise<HostHealth[]> {
  if (file === undefined) return [];
  const { services, context } = invocation;
  const { configuration } = await readInputs(invocation, file, resourceOf(invocation, 'Snapshot').inputs);
  const { hosts } = withHosts(services, configuration);
  return Promise.all(
    Object.entries(hosts).map(async ([name, said]): Promise<HostHealth> => {
      const host = services.hostType.open(name, said);
      try {
        await host.run(['true'], { signal: context.signal, timeoutMs: EXAMINE_MS });
        return { name, drivers: await examineAll(host, invocation), problems: [] };
      } catch (error) {
        return { name, drivers: [], problems: [toStasisError(error)] };
      }
    }),
  );
}

async function examine(driver: Driver, host: Host, { context }: Invocation): Promise<DriverHealth> {
  const { name, summary, traits } = driver;
  try {
    const examination = await within(EXAMINE_MS, `examining ${name}`, context.signal, async (signal) =>
      driver.examine?.(host, { ...context, signal }),
    );
    return {
      name,
      summary,
      layers: traits.layers,
      found: examination?.found ?? [],
      problems: examination?.problems ?? [],
    };
  } catch (error) {
    return { name, summary, layers: traits.layers, found: [], problems: [toStasisError(error)] };
  }
}

/** Version checks over the network are switched off: a look at this machine stays on it. */
async function enginesOnPath({ services, context }: Invocation): Promise<Found[]> {
  const found = await Promise.all(
    ENGINES.map(async (name): Promise<Found | undefined> => {
      const path = await services.host.which(name);
      if (path === undefined) return undefined;
      const told = await services.host
        .run([path, 'version'], {
          signal: context.signal,
          timeoutMs: EXAMINE_MS,
          env: { CHECKPOINT_DISABLE: '1' },
        })
        .catch(() => undefined);
      return {
        what: told?.stdout.split('\n')[0]?.trim() || `${name}, which does not tell its version`,
        where: path,
      };
    }),
  );
  return found.filter((engine) => engine !== undefined);
}

async function storeHealth(invocation: Invocation): Promise<Health['store']> {
  const { services, context, options } = invocation;
  try {
    const store = await openStore(services, defaultsOf(invocation), undefined, context);
    return { location: store.location, problems: await store.check(0, context) };
  } catch (error) {
    return { location: options.store ?? '', problems: [toStasisError(error)] };
  }
}

async function machineFacts(): Promise<Found[]> {
  const { username, uid } = userInfo();
  return [
    { what: `Node ${process.versions.node}`, where: process.execPath },
    { what: `${type()} ${release()} on ${arch()}`, where: `${availableParallelism()} processors` },
    {
      what: `user ${username} (${uid})`,
      where: uid === 0 ? 'may restore owners' : 'owners of files stay its own',
    },
    { what: `${formatBytes(totalmem())} of memory`, where: `${formatBytes(freemem())} free` },
    { what: await cgroups(), where: '/sys/fs/cgroup' },
  ];
}

/** The freezer of version 2 is what stops processes together. */
async function cgroups(): Promise<string> {
  const controllers = await readFile('/sys/fs/cgroup/cgroup.controllers', 'utf8').catch(() => undefined);
  return controllers === undefined ? 'no cgroups of version 2' : 'cgroups of version 2';
}
