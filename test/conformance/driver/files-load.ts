import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';

/**
 * An application that works on the folder argv[2]: operation k writes k into one of ten files in turn, adds a line to
 * a log, leaves a receipt and removes an old one, in this order. It prints a line for every operation.
 */
const [root = ''] = process.argv.slice(2);
const RING = 10;
const RECEIPTS = 20;

let operation = Number(readFileSync(`${root}/log`, 'utf8').trimEnd().split('\n').at(-1)) + 1;
// Ended between two operations, so that the next load finds a state that it can go on from.
let ending = false;
process.on('SIGTERM', () => {
  ending = true;
});
while (!ending) {
  operate(operation);
  process.stdout.write('.\n');
  operation += 1;
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
}

function operate(k: number): void {
  const ring = openSync(`${root}/ring/${k % RING}`, 'r+');
  writeSync(ring, String(k).padStart(10, '0'), 0);
  closeSync(ring);
  appendFileSync(`${root}/log`, `${k}\n`);
  writeFileSync(`${root}/receipts/.new`, `receipt ${k}`);
  renameSync(`${root}/receipts/.new`, `${root}/receipts/${k}`);
  const old = `${root}/receipts/${k - RECEIPTS}`;
  if (existsSync(old)) rmSync(old);
}
