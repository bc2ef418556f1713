/** One line for people on stderr; stdout belongs to what a script was asked for. */
export function say(line: string): void {
  process.stderr.write(`stasis: ${line}\n`);
}
