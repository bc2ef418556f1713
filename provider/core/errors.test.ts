import { describe, expect, test } from '@jest/globals';
import { StasisError, toStasisError } from './errors.ts';

const work = new StasisError('redis.lost', 'The server was lost.', {
  at: ['redis', 'url'],
  hint: 'Start it.',
});
const thaw = new StasisError('runtime.not-thawed', 'Process 12 could not be thawed.');

async function failingTwice(): Promise<void> {
  await using _held = { [Symbol.asyncDispose]: () => Promise.reject(thaw) };
  throw work;
}

describe('an error of the work together with one of cleaning up after it', () => {
  test('reaches a handler as both, also when tests are compiled', async () => {
    await expect(failingTwice()).rejects.toMatchObject({
      name: 'SuppressedError',
      error: thaw,
      suppressed: work,
    });
  });

  test('is the error of the work, which names what was not cleaned up', async () => {
    const error = await failingTwice().catch((thrown: unknown) => toStasisError(thrown));

    expect(error).toBeInstanceOf(StasisError);
    expect(error).toMatchObject({
      code: 'redis.lost',
      message: 'The server was lost. Cleaning up after it failed as well: Process 12 could not be thawed.',
      hint: 'Start it.',
      at: ['redis', 'url'],
      details: { cleanUpCode: 'runtime.not-thawed' },
    });
  });

  test('says one reason once', () => {
    expect(toStasisError(new SuppressedError(work, work))).toBe(work);
  });

  test('keeps the first of several', () => {
    const nested = new SuppressedError(thaw, new SuppressedError(thaw, work));

    expect(toStasisError(nested).message).toBe(
      'The server was lost. Cleaning up after it failed as well: Process 12 could not be thawed.',
    );
  });

  test('is under the fallback code when it is none of ours', () => {
    const error = toStasisError(new SuppressedError(new Error('b'), new Error('a')), 'vm.failed');

    expect(error).toMatchObject({ code: 'vm.failed', message: 'a Cleaning up after it failed as well: b' });
  });
});
