import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { StasisError } from '../../core/errors.ts';
import { moveGroups } from './groups.ts';
import { Message } from './wire.ts';

const field = (number: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
const text = (number: number, value: string): Buffer => field(number, Buffer.from(value));
const number = (at: number, value: number): Buffer => Buffer.from([at << 3, value]);

const FROM = '/parent/old-1';
const TO = '/machine.slice/a-pod-with-a-longer-name/new-1';

function image(path: string): Buffer {
  const controller = Buffer.concat([text(1, ''), text(2, path), number(3, path.length)]);
  const other = Buffer.concat([text(1, 'cpu'), text(2, '/')]);
  const set = Buffer.concat([number(1, 2), field(2, controller), field(2, other)]);
  const entry = Buffer.concat([field(1, set), field(2, Buffer.concat([text(1, 'cpu'), number(3, 0)]))]);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(0x54564319, 0);
  head.writeUInt32LE(entry.length, 8);
  return Buffer.concat([head, entry]);
}

describe('cgroup.img', () => {
  test('shows the tasks in the other group, and all else as it was', () => {
    expect(moveGroups(image(FROM), FROM, TO)).toEqual(image(TO));
    expect(moveGroups(image('/elsewhere'), FROM, TO)).toEqual(image('/elsewhere'));
    const moved = new Message(moveGroups(image(FROM), FROM, TO).subarray(12));
    expect(moved.message(1)?.messages(2)[0]?.text(2)).toBe(TO);
  });

  test('any bytes are moved or refused, with one error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          moveGroups(Buffer.from(bytes), FROM, TO);
        } catch (error) {
          expect(error).toBeInstanceOf(StasisError);
        }
      }),
    );
  });
});
