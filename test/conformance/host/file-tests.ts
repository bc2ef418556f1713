import { expect } from '@jest/globals';
import type { testUnless } from '../../support/skipped.ts';
import { bytesOf } from './commands.ts';
import { never } from './support.ts';
import type { HostUnderTest } from './under-test.ts';

export function fileTests(test: ReturnType<typeof testUnless>, here: () => HostUnderTest): void {
  const run = (argv: readonly string[]) => here().host.run(argv, { signal: never(), timeoutMs: 30_000 });
  const readAll = async (path: string): Promise<Buffer> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of here().host.read(path, { signal: never() })) chunks.push(chunk);
    return Buffer.concat(chunks);
  };

  test('a file is written as a whole and read back, bytes and permissions', async () => {
    const { host } = here();
    await using folder = await host.temporaryFolder({ signal: never() });
    const path = `${folder.path}/a file's\nname`;
    const all = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 256));
    async function* content(): AsyncGenerator<Uint8Array> {
      yield all.subarray(0, 10);
      yield all.subarray(10);
    }
    await host.write(path, content(), { signal: never() });
    expect((await readAll(path)).equals(all)).toBe(true);
    expect((await run(['stat', '-c', '%a', path])).stdout).toBe('600\n');
    await host.write(path, bytesOf('anew'), { signal: never(), mode: 0o640 });
    expect((await readAll(path)).toString()).toBe('anew');
    expect((await run(['stat', '-c', '%a', path])).stdout).toBe('640\n');
    expect((await run(['stat', '-c', '%a', folder.path])).stdout).toBe('700\n');
  });

  test('a file whose content breaks off is as it was before', async () => {
    const { host } = here();
    await using folder = await host.temporaryFolder({ signal: never() });
    const path = `${folder.path}/file`;
    await host.write(path, bytesOf('before'), { signal: never() });
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half');
      throw new Error('the source broke');
    }
    await expect(host.write(path, broken(), { signal: never() })).rejects.toThrow('the source broke');
    expect((await readAll(path)).toString()).toBe('before');
    await expect(
      host.write(`${folder.path}/no/file`, bytesOf('x'), { signal: never() }),
    ).rejects.toMatchObject({
      code: 'host.cannot-write',
    });
    await expect(readAll(`${folder.path}/none`)).rejects.toMatchObject({ code: 'host.cannot-read' });
  });

  test('where it cannot be written, that is told, however much there was to write', async () => {
    const { host } = here();
    await using folder = await host.temporaryFolder({ signal: never() });
    async function* much(): AsyncGenerator<Uint8Array> {
      // The command is gone long before the last of it.
      for (let count = 0; count < 64; count += 1) yield Buffer.alloc(65_536, count);
    }
    await expect(host.write(`${folder.path}/no/file`, much(), { signal: never() })).rejects.toMatchObject({
      code: 'host.cannot-write',
    });
    const cancelling = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let count = 0; ; count += 1) {
        if (count === 20) cancelling.abort();
        yield Buffer.alloc(65_536, count);
      }
    }
    await expect(
      host.write(`${folder.path}/file`, endless(), { signal: cancelling.signal }),
    ).rejects.toMatchObject({ code: 'cancelled' });
    expect((await run(['ls', '-A', folder.path])).stdout).toBe('');
  });

  test('a reader who stops half-way leaves no command behind', async () => {
    for await (const chunk of here().host.read('/dev/zero', { signal: never() })) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(await here().processList()).not.toContain('cat -- /dev/zero');
  });

  test('a temporary folder goes with all that is in it', async () => {
    const { host } = here();
    const folder = await host.temporaryFolder({ signal: never(), memory: true });
    await host.write(`${folder.path}/file`, bytesOf('x'), { signal: never() });
    const kinds = (await run(['stat', '-f', '-c', '%T', folder.path, '/dev/shm'])).stdout.trim().split('\n');
    expect(kinds[0]).toBe(kinds[1]);
    await folder[Symbol.asyncDispose]();
    expect((await run(['ls', '-d', folder.path])).status).not.toBe(0);
  });
}
