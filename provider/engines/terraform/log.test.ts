import { expect, test } from '@jest/globals';
import { hclogLogger, logLevel, progressToLog } from './log.ts';

test('lines are as hclog reads them, from the wanted level up, without secrets', () => {
  const lines: string[] = [];
  const logger = hclogLogger(
    (line) => lines.push(line),
    'info',
    (text) => text.replaceAll('pw', '(secret)'),
  );
  logger.log('debug', 'too much');
  logger.log('warn', 'a pw in a message', { endpoint: 'pw@host' });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/\n$/);
  expect(JSON.parse(lines[0]!)).toEqual({
    '@level': 'warn',
    '@message': 'a (secret) in a message',
    '@module': 'stasis',
    '@timestamp': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    endpoint: '(secret)@host',
  });
});

test.each([
  [{}, 'info'],
  [{ TF_LOG: 'TRACE' }, 'trace'],
  [{ TF_LOG: 'JSON' }, 'trace'],
  [{ TF_LOG: 'TRACE', TF_LOG_PROVIDER: 'warn' }, 'warn'],
  [{ TF_LOG: 'off' }, 'info'],
])('the level of %o is %s', (environment, level) => expect(logLevel(environment)).toBe(level));

test('progress is thinned to two lines a second; warnings always pass', () => {
  const lines: string[] = [];
  let nowMs = 0;
  const report = progressToLog(
    hclogLogger((line) => lines.push(line), 'info'),
    () => nowMs,
  );
  for (nowMs = 0; nowMs < 3_000; nowMs += 10) report({ step: 'copy', doneBytes: nowMs });
  expect(lines).toHaveLength(6);
  report({ step: 'copy', severity: 'warning', message: 'one' });
  report({ step: 'copy', severity: 'warning', message: 'two' });
  expect(lines).toHaveLength(8);
  expect(JSON.parse(lines[0]!)).toMatchObject({
    '@level': 'info',
    '@message': 'copy',
    step: 'copy',
    doneBytes: 0,
  });
});
