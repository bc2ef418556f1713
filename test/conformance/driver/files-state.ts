import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';

/** Which states the folder of `files-load.ts` and of the disturbances can be in, read by other eyes than the driver's. */

const RING = 10;
const RECEIPTS = 20;

export function faultsOfTree(root: string): string[] {
  return [
    ...ringFaults(root),
    ...swapFaults(root),
    ...generationFaults(root),
    ...modeFaults(root),
    ...mappedFaults(root),
    ...growthFaults(root),
  ];
}

/** Ring, log and receipts: everything up to operation m is done, and m itself at most in part, in its order. */
function ringFaults(root: string): string[] {
  const values = Array.from({ length: RING }, (_, index) =>
    Number(readFileSync(`${root}/ring/${index}`, 'latin1')),
  );
  const m = Math.max(...values);
  const faults = values.flatMap((value, index) => {
    const expected = m - ((((m - index) % RING) + RING) % RING);
    return value === expected ? [] : [`ring ${index} is ${value} and not ${expected}, as the last is ${m}`];
  });
  const lines = readFileSync(`${root}/log`, 'utf8').split('\n');
  if (lines.pop() !== '') faults.push('the log ends in the middle of a line');
  lines.forEach((line, index) => {
    if (Number(line) !== index) faults.push(`line ${index} of the log is "${line}"`);
  });
  const logged = lines.length - 1;
  if (logged !== m && logged !== m - 1) faults.push(`the ring is at ${m} and the log at ${logged}`);
  const receipts = readdirSync(`${root}/receipts`)
    .filter((name) => name !== '.new')
    .map(Number)
    .sort((a, b) => a - b);
  const newest = receipts.at(-1) ?? -1;
  if (newest !== logged && !(newest === m - 1 && logged === m))
    faults.push(`the log is at ${logged} and the receipts at ${newest}`);
  const first = receipts[0] ?? 0;
  if (receipts.length !== newest - first + 1 || receipts.length > RECEIPTS + 1)
    faults.push(`the receipts are ${receipts.join(' ')}`);
  for (const receipt of receipts)
    if (readFileSync(`${root}/receipts/${receipt}`, 'latin1') !== `receipt ${receipt}`)
      faults.push(`receipt ${receipt} is not what was written`);
  return faults;
}

/** A folder that is renamed to and fro is always there once. */
function swapFaults(root: string): string[] {
  const there = ['here', 'there'].filter((name) => existsSync(`${root}/moved/${name}`));
  return there.length === 1 ? [] : [`the moved folder is at ${there.length} places`];
}

/** A generation is swapped in as a whole. */
function generationFaults(root: string): string[] {
  if (!existsSync(`${root}/generation`)) return [];
  const contents = readdirSync(`${root}/generation`).map((name) =>
    readFileSync(`${root}/generation/${name}`, 'latin1'),
  );
  const mixed = new Set(contents).size !== 1 || contents.length !== 20;
  return mixed ? [`a generation of ${contents.length} files is mixed`] : [];
}

/** Modes are set one file after the other. */
function modeFaults(root: string): string[] {
  const modes = Array.from({ length: 10 }, (_, index) => statSync(`${root}/modes/${index}`).mode & 0o777);
  const changes = modes.filter((mode, index) => index > 0 && mode !== modes[index - 1]).length;
  return changes <= 1 ? [] : [`modes are ${modes.map((mode) => mode.toString(8)).join(' ')}`];
}

/** Written through a mapping: the first, then the second. */
function mappedFaults(root: string): string[] {
  const [one, two] = ['one', 'two'].map((name) => readFileSync(`${root}/mapped/${name}`)[0]!);
  const ahead = (one! - two! + 256) % 256;
  return ahead <= 1 ? [] : [`mapped files are at ${one} and ${two}`];
}

/** Appended to in whole pieces of one letter each. */
function growthFaults(root: string): string[] {
  const content = readFileSync(`${root}/growing`);
  for (let at = 0; at < content.length; at += 100_000) {
    const piece = content.subarray(at, at + 100_000);
    const letter = 97 + ((at / 100_000) % 26);
    if (!piece.every((byte) => byte === letter)) return [`the growing file is wrong after ${at} bytes`];
  }
  return [];
}
