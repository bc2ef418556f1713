import { readFile } from 'node:fs/promises';
import { arch, availableParallelism, freemem, release, totalmem, type, userInfo } from 'node:os';
import type { Driver } from '../../../core/driver.ts';
import { toStasisError } from '../../../core/errors.ts';
import { formatBytes } from '../../../core/units.ts';
import { within } from '../../../core/wait.ts';
import { openStore } from '../../../resources/stores.ts';
import { type DriverHealth, type Found, type Health, renderDoctor } from '../doctor.ts';
import { EXIT, type ExitStatus } from '../exit.ts';
import { defaultsOf, type Invocation } from '../invocation.ts';

const EXAMINE_MS = 20_000;
const ENGINES = ['terraform', 'tofu'] as const;

/** What this machine can capture, and what is missing. Reads only; it fails only where nothing could be captured. */
export async function doctor(invocation: Invocation): Promise<ExitStatus> {
  const { services, output } = invocation;
  const health: Health = {
    version: services.version,
    drivers: await Promise.all(services.drivers.map((driver) => examine(driver, invocation))),
    machine: await machineFacts(),
    engines: await enginesOnPath(invocation),
    store: await storeHealth(invocation),
  };
  const values = {
    ...health,
    drivers: health.drivers.map((driver) => ({
      ...driver,
      problems: driver.problems.map((each) => output.jsonOf(each)),
    })),
    store: { ...health.store, problems: health.store.problems.map((each) => output.jsonOf(each)) },
  };
  output.result(values, (look) => renderDoctor(health, look));
  const isUsable = (problems: DriverHealth['problems']): boolean =>
    problems.every(({ severity }) => severity !== 'error');
  const canCapture =
    health.drivers.some(({ problems }) => isUsable(problems)) && isUsable(health.store.problems);
  return canCapture ? EXIT.done : EXIT.failed;
}

async function examine(driver: Driver, { services, context }: Invocation): Promise<DriverHealth> {
  const { name, summary, traits } = driver;
  try {
    const examination = await within(EXAMINE_MS, `examining ${name}`, context.signal, async (signal) =>
      driver.examine?.(services.host, { ...context, signal }),
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
