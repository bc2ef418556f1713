import { randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import { sleep } from '../../../provider/core/wait.ts';
import type { testUnless } from '../../support/skipped.ts';
import { eventually, holder, never } from './support.ts';
import type { HostUnderTest } from './under-test.ts';

const TIMEOUT_MS = 30_000;
const LONG = 120_000;
/** Far more than pipes and channel windows (2 MiB in OpenSSH) can hold. */
const BIG_BYTES = 96 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

export function commandTests(test: ReturnType<typeof testUnless>, here: () => HostUnderTest): void {
  const run = (argv: readonly string[], options: object = {}) =>
    here().host.run(argv, { signal: never(), timeoutMs: TIMEOUT_MS, ...options });

  test('arguments arrive as they are, every byte of them', async () => {
    const every = Array.from({ length: 255 }, (_, index) => String.fromCharCode(index + 1)).join('');
    const words = [
      '',
      ' ',
      "'",
      '"',
      '\\',
      '\n',
      'a\nb\n',
      '$HOME `id` $(id)',
      '*',
      '-n',
      '--',
      '!',
      '~',
      every,
      '語😀',
    ];
    const { stdout } = await run(['printf', '%s\\0', ...words]);
    expect(stdout.split('\0')).toEqual([...words, '']);
  });

  test('a command that is long, and one whose program is a path with spaces', async () => {
    const long = 'x'.repeat(100_000);
    expect((await run(['printf', '%s', long])).stdout).toBe(long);
    await using folder = await here().host.temporaryFolder({ signal: never() });
    const program = `${folder.path}/a program's name`;
    await here().host.write(program, bytesOf('#!/bin/sh\necho "ran $1"\n'), { signal: never(), mode: 0o700 });
    expect((await run([program, 'it'])).stdout).toBe('ran it\n');
  });

  test('the environment is small, is added to, and holds every byte', async () => {
    const value = 'it\'s\n"$x"\\ \n\n';
    const { stdout } = await run(['env', '-0'], { env: { SECRET_VALUE: value } });
    const entries = new Map(
      stdout.split('\0').map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]),
    );
    expect(entries.get('SECRET_VALUE')).toBe(value);
    expect(entries.get('LC_ALL')).toBe('C.UTF-8');
    const known = [
      'PATH',
      'HOME',
      'LANG',
      'LC_ALL',
      'TMPDIR',
      'USER',
      'LOGNAME',
      'PWD',
      'SECRET_VALUE',
      '',
      '_',
      'OLDPWD',
      'SHLVL',
    ];
    expect([...entries.keys()].filter((name) => !known.includes(name ?? ''))).toEqual([]);
  });

  test('a secret in the environment is in no argument list, neither here nor there', async () => {
    const secret = randomBytes(16).toString('hex');
    const spawned = await here().host.spawn(['sleep', '30'], { signal: never(), env: { PASSWORD: secret } });
    try {
      for (let look = 0; look < 10; look += 1) {
        const list = await here().processList();
        expect(list.filter((line) => line.includes(secret))).toEqual([]);
        if (look === 9) expect(list.filter((line) => line === 'sleep 30').length).toBeGreaterThan(0);
      }
    } finally {
      spawned.kill();
      await spawned.ended;
    }
  });

  test('statuses, signals and errors come back', async () => {
    expect(await run(['sh', '-c', 'echo out; echo err >&2; exit 3'])).toEqual({
      status: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect((await run(['sh', '-c', 'exit 255'])).status).toBe(255);
    expect((await run(['sh', '-c', 'kill -TERM $$'])).status).toBe(143);
    expect((await run(['sh', '-c', 'kill -KILL $$'])).status).toBe(137);
    expect((await run(['sh', '-c', 'printf "no end of line" >&2'])).stderr).toBe('no end of line');
    await expect(run(['no-such-program-of-ours'])).rejects.toMatchObject({ code: 'host.cannot-start' });
    await expect(run(['/etc/passwd'])).rejects.toMatchObject({ code: 'host.cannot-start' });
    await expect(run(['true'], { cwd: '/no/such/folder' })).rejects.toMatchObject({
      code: 'host.cannot-start',
    });
    expect((await run(['pwd'], { cwd: '/usr/lib' })).stdout).toBe('/usr/lib\n');
  });

  test('of much error output the end is kept', async () => {
    const { stderr } = await run(['sh', '-c', 'yes noise | head -c 1000000 >&2; echo last >&2']);
    expect(stderr.length).toBeLessThanOrEqual(64 * 1024);
    expect(stderr.endsWith('last\n')).toBe(true);
  });

  test(
    'big streams pass both ways at once, with back-pressure and unharmed',
    async () => {
      let pulled = 0;
      async function* source(): AsyncGenerator<Uint8Array> {
        const chunk = Buffer.alloc(CHUNK_BYTES);
        for (; pulled < BIG_BYTES; pulled += CHUNK_BYTES) {
          chunk.writeUInt32BE(pulled / CHUNK_BYTES);
          yield Buffer.from(chunk);
        }
      }
      const spawned = await here().host.spawn(['cat'], { signal: never(), stdin: source() });
      const reader = spawned.stdout[Symbol.asyncIterator]();
      const first = await reader.next();
      await sleep(1_500);
      // Nobody reads: whatever lies in between is full, and no more is asked for.
      const held = pulled;
      expect(held).toBeLessThan(BIG_BYTES / 2);
      await sleep(300);
      expect(pulled).toBe(held);
      let sizeBytes = 0;
      let rest = Buffer.alloc(0);
      const numbers: number[] = [];
      for (let item = first; !item.done; item = await reader.next()) {
        sizeBytes += item.value.length;
        rest = Buffer.concat([rest, item.value]);
        rest = take(rest, numbers);
      }
      expect((await spawned.ended).status).toBe(0);
      expect(pulled).toBe(BIG_BYTES);
      expect(sizeBytes).toBe(BIG_BYTES);
      expect(numbers).toEqual(Array.from({ length: BIG_BYTES / CHUNK_BYTES }, (_, index) => index));
    },
    LONG,
  );

  test('input that a command does not read to its end does no harm', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield Buffer.alloc(CHUNK_BYTES);
    }
    expect((await run(['head', '-c', '5'], { stdin: endless() })).stdout.length).toBe(5);
    expect((await run(['true'], { stdin: endless() })).status).toBe(0);
    expect((await run(['cat'])).stdout).toBe('');
  });

  test('what is killed ends, by force where it has to be', async () => {
    const seconds = String(100_000 + Math.floor(Math.random() * 100_000));
    const gentle = await here().host.spawn(['sleep', seconds], { signal: never() });
    await eventually(async () => expect(await here().processList()).toContain(`sleep ${seconds}`));
    gentle.kill();
    expect((await gentle.ended).status).toBe(143);
    expect(await here().processList()).not.toContain(`sleep ${seconds}`);

    const stubborn = `trap "" TERM; echo up; while :; do sleep 0.1; done; : ${seconds}`;
    const hard = await here().host.spawn(['sh', '-c', stubborn], { signal: never() });
    for await (const _ of hard.stdout) break;
    hard.kill();
    expect((await hard.ended).status).toBe(137);
    expect((await here().processList()).filter((line) => line.includes(`: ${seconds}`))).toEqual([]);
  });

  test('time limits and cancelling end the command', async () => {
    await expect(run(['sleep', '1000'], { timeoutMs: 300 })).rejects.toMatchObject({ code: 'host.timeout' });
    const controller = new AbortController();
    const running = run(['sleep', '999'], { signal: controller.signal });
    await sleep(300);
    controller.abort();
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    await expect(run(['true'], { signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' });
    await eventually(async () => {
      const list = await here().processList();
      expect(list).not.toContain('sleep 1000');
      expect(list).not.toContain('sleep 999');
    });
  });

  test(
    'more commands at once than one connection takes',
    async () => {
      const all = Array.from({ length: 25 }, (_, index) => run(['sh', '-c', `sleep 0.5; echo ${index}`]));
      expect((await Promise.all(all)).map(({ stdout }) => Number(stdout))).toEqual(
        all.map((_, index) => index),
      );
    },
    LONG,
  );

  test('a program is found: in the folders first, then on PATH', async () => {
    const { host } = here();
    expect(await host.which('sh')).toMatch(/^\/.*\/sh$/);
    expect(await host.which('no-such-program-of-ours')).toBeUndefined();
    await using folder = await host.temporaryFolder({ signal: never() });
    await host.write(`${folder.path}/sh`, bytesOf('#!/bin/sh\n'), { signal: never(), mode: 0o755 });
    await host.write(`${folder.path}/ls`, bytesOf(''), { signal: never(), mode: 0o644 });
    expect(await host.which('sh', ['/no/where', folder.path])).toBe(`${folder.path}/sh`);
    expect(await host.which('ls', [folder.path])).not.toBe(`${folder.path}/ls`);
    expect(await host.which(`${folder.path}/sh`)).toBe(`${folder.path}/sh`);
    expect(await host.which(folder.path)).toBeUndefined();
  });

  test(
    'a server of the host is reached from here',
    async () => {
      const { host } = here();
      const serve =
        'import socket,sys\ns=socket.socket(); s.bind(("127.0.0.1",0)); s.listen(); print(s.getsockname()[1],flush=True)\nwhile True:\n c,_=s.accept(); c.sendall(b"from there"); c.close()';
      const server = await host.spawn(['python3', '-c', serve], { signal: never() });
      try {
        let port = 0;
        for await (const chunk of server.stdout) {
          port = Number(Buffer.from(chunk).toString());
          break;
        }
        for (let time = 0; time < 2; time += 1) {
          const { connect } = await import('node:net');
          const socket = connect((await host.reach?.('127.0.0.1', port, { signal: never() })) ?? { port });
          let said = '';
          for await (const chunk of socket) said += String(chunk);
          expect(said).toBe('from there');
        }
      } finally {
        server.kill();
        await server.ended.catch(() => undefined);
      }
    },
    LONG,
  );

  test(
    'a command ends when whoever started it is killed with -9',
    async () => {
      const seconds = String(200_000 + Math.floor(Math.random() * 100_000));
      const child = await holder(here(), 'sleep', [seconds]);
      await eventually(async () => expect(await here().processList()).toContain(`sleep ${seconds}`));
      child.kill('SIGKILL');
      if (here().host.name === 'local') {
        // A child of ours is no more ours when we are gone: only what a lease holds ends with us. Ended by hand.
        await run(['pkill', '-f', `^sleep ${seconds}$`]);
      }
      await eventually(async () => expect(await here().processList()).not.toContain(`sleep ${seconds}`));
    },
    LONG,
  );
}

export async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** Reads off the numbers of the whole chunks in it; returns what is left. */
function take(bytes: Buffer<ArrayBuffer>, numbers: number[]): Buffer<ArrayBuffer> {
  let at = 0;
  for (; bytes.length - at >= CHUNK_BYTES; at += CHUNK_BYTES) numbers.push(bytes.readUInt32BE(at));
  return bytes.subarray(at);
}
