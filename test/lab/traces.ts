import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cgroupPrefix, labsFolder } from '../../scripts/lab/folder.ts';
import type { Lab } from '../support/lab.ts';

const run = promisify(execFile);

/** What of a lab can be seen on the machine that runs it. Other labs and tests leave theirs at the same time. */
export interface Traces {
  readonly mounts: readonly string[];
  readonly links: readonly string[];
  readonly loopDevices: readonly string[];
  readonly groups: readonly string[];
  readonly processes: readonly string[];
}

export async function tracesOf(lab: Lab): Promise<Traces> {
  const lines = async (argv: readonly [string, ...string[]]): Promise<string[]> => {
    const { stdout } = await run(argv[0], argv.slice(1));
    return stdout.split('\n');
  };
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
  const groups = await lines([
    'find',
    '/sys/fs/cgroup',
    '-type',
    'd',
    '-name',
    `${cgroupPrefix(lab.folder)}*`,
  ]);
  return {
    mounts: mounts.filter((line) => line.includes(lab.folder)),
    links: await linksOf(lab, await lines(['ip', '-oneline', '-4', 'address'])),
    loopDevices: (await lines(['losetup', '--list', '--noheadings', '--output', 'NAME,BACK-FILE'])).filter(
      (line) => line.includes(`${lab.folder}/`),
    ),
    groups: groups.filter((line) => line !== ''),
    processes: await processesOf(lab),
  };
}

/** An address that a lab has given back is free for the next one: by its folder it is known whose link that is. */
async function linksOf(lab: Lab, addresses: readonly string[]): Promise<string[]> {
  const folders = (await readdir(labsFolder())).map((name) => join(labsFolder(), name));
  const others = await Promise.all(
    folders
      .filter((folder) => folder !== lab.folder)
      .map((folder) => readFile(join(folder, 'link'), 'utf8').catch(() => '')),
  );
  const names = new Set(others.map((name) => name.trim()));
  return addresses.filter(
    (line) => line.includes(` ${lab.machineAddress}/`) && !names.has(line.trim().split(/\s+/)[1] ?? ''),
  );
}

interface Process {
  readonly parent: string;
  /** Number, when it was started (in ticks) and program: no other process has the same. */
  readonly text: string;
  readonly keeps: boolean;
}

/** The keeper, and everything that descends from it. */
async function processesOf(lab: Lab): Promise<string[]> {
  const all = await everyProcess(lab);
  const belongs = (pid: string): boolean => {
    const process = all.get(pid);
    return process !== undefined && (process.keeps || belongs(process.parent));
  };
  return [...all].filter(([pid]) => belongs(pid)).map(([, { text }]) => text);
}

/** Which of these are still there, wherever they may hang now. */
export async function stillThere(lab: Lab, processes: readonly string[]): Promise<string[]> {
  const all = [...(await everyProcess(lab)).values()].map(({ text }) => text);
  return processes.filter((text) => all.includes(text));
}

async function everyProcess(lab: Lab): Promise<Map<string, Process>> {
  const found = new Map<string, Process>();
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    const argv = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields === undefined) continue;
    const program = await readlink(`/proc/${pid}/exe`).catch(() => '');
    found.set(pid, {
      parent: fields[1] ?? '',
      text: `${pid} ${fields[19]} ${program}`,
      keeps: argv.split('\0').includes(lab.folder),
    });
  }
  return found;
}
