import { malformed } from './malformed.ts';

/**
 * Expands LZF, the compression of strings in an RDB: a control byte below 32 is followed by that many plus one
 * literal bytes; any other one copies from what was written, its length in the upper three bits (7: one more byte
 * follows) and the distance in the lower five and the next byte.
 */
export function expandLzf(input: Uint8Array, lengthBytes: number): Buffer {
  const output = Buffer.allocUnsafe(lengthBytes);
  let from = 0;
  let to = 0;
  while (from < input.length) {
    const control = input[from++]!;
    if (control < 32) {
      const count = control + 1;
      if (from + count > input.length || to + count > lengthBytes)
        throw malformed('an LZF literal is too long');
      for (const end = to + count; to < end; to += 1) output[to] = input[from++]!;
      continue;
    }
    let count = control >>> 5;
    if (count === 7) count += input[from++] ?? 0;
    let source = to - ((control & 31) << 8) - (input[from++] ?? 0) - 1;
    count += 2;
    if (source < 0 || to + count > lengthBytes) throw malformed('an LZF copy leaves its buffer');
    for (const end = to + count; to < end; to += 1) output[to] = output[source++]!;
  }
  if (to !== lengthBytes) throw malformed('an LZF string is shorter than it says');
  return output;
}
