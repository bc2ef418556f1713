const NEWLINE = 10;

/** Each line without its end (LF), as bytes, each one a character. `beforeChunk` is called now and then. */
export async function eachLine(
  content: AsyncIterable<Uint8Array>,
  beforeChunk: () => void,
  visit: (line: string) => void,
): Promise<void> {
  let rest = '';
  for await (const chunk of content) {
    beforeChunk();
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      visit(rest + bytes.toString('latin1', start, end));
      rest = '';
      start = end + 1;
    }
    rest += bytes.toString('latin1', start);
  }
}
