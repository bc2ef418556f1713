import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { StasisError } from '../../core/errors.ts';
import { type InterruptSignal, Interrupts } from './interrupt.ts';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function setUp() {
  const source = new EventEmitter<Record<InterruptSignal, []>>();
  const said: string[] = [];
  const exit = jest.fn();
  const interrupts = new Interrupts(source, (text) => said.push(text), exit);
  return { source, said, exit, interrupts };
}

describe('interrupts', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'the first %s aborts, and lets the work end by itself',
    (name) => {
      const { source, said, exit, interrupts } = setUp();
      source.emit(name);
      expect(interrupts.signal.aborted).toBe(true);
      expect(interrupts.signal.reason).toBeInstanceOf(StasisError);
      expect(interrupts.signal.reason.code).toBe('interrupted');
      expect(said).toHaveLength(1);
      jest.advanceTimersByTime(60_000);
      expect(exit).not.toHaveBeenCalled();
    },
  );

  test('the second leaves time to thaw, and then ends', () => {
    const { source, exit } = setUp();
    source.emit('SIGINT');
    source.emit('SIGINT');
    jest.advanceTimersByTime(2_900);
    expect(exit).not.toHaveBeenCalled();
    jest.advanceTimersByTime(200);
    expect(exit).toHaveBeenCalledTimes(1);
  });

  test('work that ends after the second is not ended again', () => {
    const { source, exit, interrupts } = setUp();
    source.emit('SIGINT');
    source.emit('SIGINT');
    interrupts[Symbol.dispose]();
    jest.advanceTimersByTime(60_000);
    expect(exit).not.toHaveBeenCalled();
    expect(source.listenerCount('SIGINT')).toBe(0);
  });

  test('the third ends at once', () => {
    const { source, exit } = setUp();
    for (let n = 0; n < 3; n += 1) source.emit('SIGINT');
    expect(exit).toHaveBeenCalledTimes(1);
  });
});
