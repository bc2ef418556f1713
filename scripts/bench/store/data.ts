import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, copyFileSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Chunking } from '../../../provider/core/store.ts';
import { startPostgres } from '../../../test/support/postgres-server.ts';

const MIB = 1024 * 1024;
const SIZE_BYTES = 512 * MIB;

/** A file to capture, and the same with 1 % of its pages changed. */
export interface DataSet {
  readonly name: string;
  readonly chunking: Chunking;
  readonly pageBytes: number;
  /** Writes about SIZE_BYTES into the file. */
  make(file: string, folder: string): Promise<void>;
}

export const DATA_SETS: readonly DataSet[] = [
  { name: 'Postgres pages', chunking: 'pages-8k', pageBytes: 8192, make: postgresPages },
  { name: 'sparse disk', chunking: 'pages-4k', pageBytes: 4096, make: sparseDisk },
  { name: 'process memory', chunking: 'pages-4k', pageBytes: 4096, make: processMemory },
];

/** Numbers in [0, 1), the same in every run. */
function repeatable(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A copy with 1 % of the pages changed as a database or a program changes them: a header and one row of each. */
export function changeOnePercent(from: string, to: string, pageBytes: number): void {
  copyFileSync(from, to);
  const file = openSync(to, 'r+');
  const random = repeatable(12_345);
  const pages = Math.floor(readSize(file) / pageBytes);
  const changed = new Set<number>();
  while (changed.size < pages / 100) changed.add(Math.floor(random() * pages));
  const row = Buffer.alloc(160);
  for (const page of changed) {
    for (let at = 0; at < row.length; at += 1) row[at] = at < 48 ? random() * 256 : 97 + random() * 20;
    writeSync(file, row, 0, 8, page * pageBytes);
    writeSync(file, row, 8, 152, page * pageBytes + 8 + Math.floor(random() * (pageBytes - 200)));
  }
  closeSync(file);
}

function readSize(file: number): number {
  let low = 0;
  for (let step = 2 ** 40; step >= 1; step /= 2)
    if (readSync(file, Buffer.alloc(1), 0, 1, low + step - 1) === 1) low += step;
  return low;
}

const TABLES = `
  SELECT setseed(0.5);
  CREATE TABLE orders (id bigserial PRIMARY KEY, customer bigint, total numeric(10,2), state text, at timestamptz, note text, token uuid);
  INSERT INTO orders (customer, total, state, at, note, token)
    SELECT (random() * 400000)::bigint, (random() * 900)::numeric(10,2), (ARRAY['new','paid','shipped'])[1 + (random() * 2)::int],
      timestamptz '2026-01-01' + random() * interval '300 days', repeat(md5((i % 5000)::text) || ' ', 1 + i % 4), md5(random()::text)::uuid
    FROM generate_series(1, 1100000) i;
  CREATE TABLE events (id bigserial PRIMARY KEY, customer bigint, at timestamptz, payload jsonb);
  INSERT INTO events (customer, at, payload)
    SELECT (random() * 400000)::bigint, timestamptz '2026-01-01' + random() * interval '300 days',
      jsonb_build_object('path', '/p/' || (random() * 9000)::int, 'ref', md5(random()::text), 'ms', (random() * 3000)::int)
    FROM generate_series(1, 1500000) i;
  CREATE INDEX ON orders (customer);
  CREATE INDEX ON events (at);
  VACUUM ANALYZE;
  CHECKPOINT;`;

/** The files of a real server's tables and indexes, one after another, the largest first. */
async function postgresPages(file: string): Promise<void> {
  await using server = await startPostgres();
  for (const statement of TABLES.split(';')) if (statement.trim() !== '') await server.query(statement);
  const base = join(server.folder, 'data', 'base');
  const names = (await readdir(base, { recursive: true })).filter((name) => /\/\d+(\.\d+)?$/.test(name));
  const sized = await Promise.all(
    names.map(async (name) => ({ name, sizeBytes: (await stat(join(base, name))).size })),
  );
  sized.sort((a, b) => b.sizeBytes - a.sizeBytes || (a.name < b.name ? -1 : 1));
  const out = openSync(file, 'w');
  let left = SIZE_BYTES;
  for (const { name } of sized) left -= writeSync(out, readFileSync(join(base, name)).subarray(0, left));
  closeSync(out);
}

/** Seven tenths holes; in between runs of programs and of text, as a file system lays them out. */
async function sparseDisk(file: string): Promise<void> {
  const sources = [
    process.execPath,
    join(import.meta.dirname, '../../../node_modules/typescript/lib/typescript.js'),
  ];
  const contents = sources.map((source) => readFileSync(source));
  const random = repeatable(77);
  const out = openSync(file, 'w');
  ftruncateSync(out, SIZE_BYTES);
  for (let at = 0; at < SIZE_BYTES; ) {
    const length = 4096 * (1 + Math.floor(random() * 256));
    if (random() < 0.3) {
      const content = contents[random() < 0.6 ? 0 : 1]!;
      const from = Math.floor(random() * (content.length - length));
      // Where a file is written again and again, few blocks are equal: a line of each is its own.
      const run = Buffer.from(content.subarray(from, from + length));
      for (let line = 0; line < length; line += 4096) run.writeDoubleLE(random(), line + 512);
      writeSync(out, run, 0, Math.min(length, SIZE_BYTES - at), at);
    }
    at += length;
  }
  closeSync(out);
}

const PROGRAM = `
  const carts = new Map(); const log = [];
  for (let i = 0; process.memoryUsage().rss < 540e6; i += 1) {
    carts.set('cart-' + i, { id: i, items: Array.from({ length: i % 9 }, (_, k) => ({ sku: 'sku-' + ((i * 31 + k) % 5000), price: (i * 7 % 9000) / 100 })), at: new Date(1.7e12 + i * 977).toISOString() });
    if (i % 3 === 0) log.push('GET /cart/' + i + ' 200 ' + (i * 17 % 300) + 'ms');
    if (i % 50 === 0) log.push(Buffer.alloc(4096 + i % 9000, 'response body ' + i));
  }
  console.log('full'); setInterval(() => {}, 1000);`;

/** The writable memory of a real process that is full of objects, strings and buffers. */
async function processMemory(file: string): Promise<void> {
  const child = spawn(process.execPath, ['--max-old-space-size=2000', '-e', PROGRAM], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(child.stdout, 'data');
    child.kill('SIGSTOP');
    const memory = openSync(`/proc/${child.pid}/mem`, 'r');
    const out = openSync(file, 'w');
    let left = SIZE_BYTES;
    for (const [from, to] of writableRegions(child.pid!))
      for (let at = from; at < to && left > 0; at += MIB)
        left -= copyPages(memory, at, Math.min(MIB, to - at, left), out);
    closeSync(out);
    closeSync(memory);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
}

function writableRegions(pid: number): [number, number][] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .filter((line) => /^[0-9a-f]+-[0-9a-f]+ rw/.test(line) && !line.includes('[v'))
    .map(
      (line) =>
        line
          .split(' ')[0]!
          .split('-')
          .map((hex) => Number.parseInt(hex, 16)) as [number, number],
    );
}

/** Skips what was never touched: whole runs of zeros of a mapping that is mostly address space. */
function copyPages(memory: number, at: number, length: number, out: number): number {
  const bytes = Buffer.alloc(length);
  try {
    readSync(memory, bytes, 0, length, at);
  } catch {
    return 0;
  }
  return bytes.equals(Buffer.alloc(length)) ? 0 : writeSync(out, bytes);
}
