import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import stringWidth from 'string-width';
import { shownOnTerminal } from '../../../test/support/terminal.ts';
import { ProgressReport, type Sink } from './progress.ts';

class FakeTerminal implements Sink {
  readonly writes: string[] = [];
  readonly isTTY: boolean;
  columns = 80;

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.writes.push(text);
  }

  shown(): string[] {
    return shownOnTerminal(this.writes.join(''));
  }
}

let nowMs = 0;
beforeEach(() => {
  nowMs = 0;
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function advance(ms: number): void {
  nowMs += ms;
  jest.advanceTimersByTime(ms);
}

function reportOn(sink: Sink): ProgressReport {
  return new ProgressReport({ sink, color: false, ascii: false, nowMs: () => nowMs });
}

describe('on a terminal', () => {
  test('draws a line for the whole and one a member, over what was drawn before', () => {
    const terminal = new FakeTerminal(true);
    using progress = reportOn(terminal);
    progress.report({ step: 'prepare' });
    advance(600);
    progress.report({ step: 'hold' });
    progress.report({ step: 'copy', member: 'orders', doneBytes: 1_000_000, totalBytes: 4_000_000 });
    progress.report({ step: 'copy', member: 'sessions', doneBytes: 88_000_000 });
    advance(1000);
    expect(terminal.shown()).toEqual([
      'copy  1.6 s',
      '  orders    copy        1.0 MB of 4.0 MB  25 %',
      '  sessions  copy        88.0 MB',
    ]);
  });

  test('counts on what an earlier step has moved', () => {
    const terminal = new FakeTerminal(true);
    using progress = reportOn(terminal);
    progress.report({ step: 'prepare', member: 'receipts', doneBytes: 300_000_000 });
    progress.report({ step: 'hold' });
    progress.report({ step: 'copy', member: 'receipts' });
    progress.report({ step: 'copy', member: 'receipts', doneBytes: 5_000_000 });
    advance(600);
    expect(terminal.shown()).toEqual(['copy  600 ms', '  receipts  copy        305 MB']);
  });

  test('updates at most twice a second, however often it is told', () => {
    const terminal = new FakeTerminal(true);
    using progress = reportOn(terminal);
    for (let n = 0; n < 1000; n += 1) {
      progress.report({ step: 'copy', member: 'orders', doneBytes: n * 1000 });
      advance(10);
    }
    expect(terminal.writes.length).toBeLessThanOrEqual(21);
    expect(terminal.shown()).toContain('  orders  copy        999 kB');
  });

  test('never reaches the edge, as a line that wraps could not be drawn over', () => {
    const terminal = new FakeTerminal(true);
    terminal.columns = 30;
    using progress = reportOn(terminal);
    progress.report({ step: 'copy', message: 'a long message that goes on and on' });
    progress.report({ step: 'copy', member: 'a-member-with-a-rather-long-name', doneBytes: 1 });
    advance(1000);
    for (const line of terminal.shown()) expect(stringWidth(line)).toBeLessThan(30);
  });

  test('prints messages above itself, and goes away at the end', () => {
    const terminal = new FakeTerminal(true);
    const progress = reportOn(terminal);
    progress.report({ step: 'copy', member: 'orders' });
    advance(600);
    progress.print('warning: something');
    expect(terminal.shown()[0]).toBe('warning: something');
    expect(terminal.shown()).toHaveLength(3);
    progress[Symbol.dispose]();
    expect(terminal.shown()).toEqual(['warning: something']);
    progress.report({ step: 'late' });
    advance(1000);
    expect(terminal.shown()).toEqual(['warning: something']);
  });

  test('shows so many members as a screen holds', () => {
    const terminal = new FakeTerminal(true);
    using progress = reportOn(terminal);
    for (let n = 0; n < 40; n += 1) progress.report({ step: 'copy', member: `m${n}` });
    advance(1000);
    expect(terminal.shown()).toHaveLength(18);
    expect(terminal.shown().at(-1)).toBe('  and 24 members more');
  });
});

describe('piped', () => {
  test('is a plain line a step, without escape sequences', () => {
    const pipe = new FakeTerminal(false);
    using progress = reportOn(pipe);
    progress.report({ step: 'prepare' });
    progress.report({ step: 'hold' });
    advance(1000);
    progress.report({ step: 'hold', message: 'cutting again, round 2' });
    progress.report({ step: 'copy', member: 'orders', doneBytes: 5 });
    progress.report({ step: 'copy', member: 'orders', doneBytes: 10 });
    progress.report({ step: 'seal' });
    expect(pipe.writes.join('')).toBe(
      'stasis: prepare\nstasis: hold\nstasis: hold cutting again, round 2\nstasis: copy orders\nstasis: seal\n',
    );
  });

  test('thins out the messages of a step', () => {
    const pipe = new FakeTerminal(false);
    using progress = reportOn(pipe);
    for (let n = 0; n < 300; n += 1) {
      progress.report({ step: 'compare', message: `${n} objects read` });
      advance(10);
    }
    expect(pipe.writes).toEqual([
      'stasis: compare 0 objects read\n',
      'stasis: compare 100 objects read\n',
      'stasis: compare 200 objects read\n',
    ]);
  });

  test('says now and then how far a long copy is', () => {
    const pipe = new FakeTerminal(false);
    using progress = reportOn(pipe);
    for (let n = 0; n < 300; n += 1) {
      progress.report({ step: 'copy', member: 'orders', doneBytes: n * 1_000_000 });
      advance(100);
    }
    expect(pipe.writes).toEqual([
      'stasis: copy orders\n',
      'stasis: copy orders 100 MB\n',
      'stasis: copy orders 200 MB\n',
    ]);
  });

  test('keeps a warning as a line of its own', () => {
    const pipe = new FakeTerminal(false);
    using progress = reportOn(pipe);
    progress.report({ step: 'copy', member: 'orders', severity: 'warning', message: 'slower than it was' });
    expect(pipe.writes.join('')).toBe('warning: orders: slower than it was\n');
  });

  test('escapes what a member calls itself', () => {
    const pipe = new FakeTerminal(false);
    using progress = reportOn(pipe);
    progress.report({ step: 'copy', member: 'a\u001b[2J' });
    expect(pipe.writes.join('')).toBe('stasis: copy a\\x1b[2J\n');
  });
});
