import type { ProgressEvent } from '../../core/context.ts';
import { formatBytes, formatMs } from '../../core/units.ts';
import { clampWidth, clip, count, type Line, pad, piece, printable, toText, widthOf } from './screen/text.ts';

/** A terminal or a file that lines are written to. */
export interface Sink {
  write(text: string): void;
  readonly isTTY: boolean;
  /** Of a terminal, now: it may be resized. */
  readonly columns: number;
}

export interface ProgressOptions {
  readonly sink: Sink;
  readonly color: boolean;
  readonly ascii: boolean;
  /** Milliseconds of a monotonic clock. */
  readonly nowMs: () => number;
}

/** On a terminal at most two updates a second; more is flicker. */
const REDRAW_MS = 500;
/** Elsewhere at most one line of bytes a member in this time. */
const PLAIN_BYTES_MS = 10_000;
/** Elsewhere another message of the same step at most once in this time. */
const PLAIN_MESSAGE_MS = 1_000;
/** What is drawn over has to fit the screen. */
const MAX_ROWS = 16;

interface MemberState {
  step: string;
  readonly earlierBytes: number;
  doneBytes: number | undefined;
  totalBytes: number | undefined;
  printedMs: number;
}

/**
 * Shows what is going on, on stderr: on a terminal a few lines that are drawn over, one a member; elsewhere a plain
 * line a step. Whatever else is to be printed meanwhile goes through `print`, so that it does not tear the picture.
 */
export class ProgressReport implements Disposable {
  private readonly options: ProgressOptions;
  private readonly members = new Map<string, MemberState>();
  private readonly startedMs: number;
  private step = '';
  private message: string | undefined;
  private saidMs = Number.NEGATIVE_INFINITY;
  private drawnLines = 0;
  private timer: NodeJS.Timeout | undefined;
  private ended = false;

  constructor(options: ProgressOptions) {
    this.options = options;
    this.startedMs = options.nowMs();
  }

  readonly report = (event: ProgressEvent): void => {
    if (this.ended) return;
    if (event.severity !== undefined) {
      const place = event.member === undefined ? '' : `${event.member}: `;
      this.print(printable(`${event.severity}: ${place}${event.message ?? event.step}`, this.options.ascii));
      return;
    }
    const isNew = this.note(event);
    if (!this.options.sink.isTTY) this.printPlain(event, isNew);
    else this.schedule();
  };

  /** A line of its own, above what is drawn. */
  print(text: string): void {
    this.erase();
    this.options.sink.write(`${text}\n`);
    if (this.timer !== undefined) this.draw();
  }

  /** Takes the drawn lines away; nothing is shown after it. */
  [Symbol.dispose](): void {
    this.ended = true;
    clearInterval(this.timer);
    this.timer = undefined;
    this.erase();
  }

  /** Whether it says something that was not known: another step. */
  private note(event: ProgressEvent): boolean {
    if (event.member === undefined) {
      const isNew = event.step !== this.step || (event.message !== this.message && this.isMessageDue());
      if (isNew) this.saidMs = this.options.nowMs();
      this.step = event.step;
      this.message = event.message;
      return isNew;
    }
    if (event.step !== this.step) this.message = undefined;
    this.step = event.step;
    const known = this.members.get(event.member);
    const isNew = known?.step !== event.step;
    const state = isNew || known === undefined ? nextState(event.step, known) : known;
    state.doneBytes = event.doneBytes ?? state.doneBytes;
    state.totalBytes = event.totalBytes ?? state.totalBytes;
    this.members.set(event.member, state);
    return isNew;
  }

  private isMessageDue(): boolean {
    return this.options.nowMs() - this.saidMs >= PLAIN_MESSAGE_MS;
  }

  private printPlain(event: ProgressEvent, isNew: boolean): void {
    const nowMs = this.options.nowMs();
    const state = event.member === undefined ? undefined : this.members.get(event.member);
    const isDue =
      state !== undefined && state.doneBytes !== undefined && nowMs - state.printedMs >= PLAIN_BYTES_MS;
    if (!isNew && !isDue) return;
    if (state) state.printedMs = nowMs;
    const parts = [event.step, event.member, event.message, isNew ? undefined : bytesText(state)];
    const line = parts.filter((part) => part !== undefined).join(' ');
    this.options.sink.write(`stasis: ${printable(line, this.options.ascii)}\n`);
  }

  private schedule(): void {
    if (this.timer !== undefined) return;
    this.timer = setInterval(() => this.draw(), REDRAW_MS);
    this.timer.unref();
    this.draw();
  }

  private draw(): void {
    const lines = this.lines();
    this.options.sink.write(`${this.eraser()}${toText(lines, this.options)}\n`);
    this.drawnLines = lines.length;
  }

  private erase(): void {
    if (this.drawnLines > 0) this.options.sink.write(this.eraser());
    this.drawnLines = 0;
  }

  /** Up to the first drawn line, and everything from there on cleared. */
  private eraser(): string {
    return this.drawnLines === 0 ? '' : `\x1b[${this.drawnLines}A\r\x1b[J`;
  }

  /** One line for the whole, and one a member. None reaches the edge: a wrapped line could not be drawn over. */
  private lines(): Line[] {
    const { ascii, sink } = this.options;
    const width = Math.min(sink.columns, clampWidth(sink.columns)) - 1;
    const elapsed = formatMs(this.options.nowMs() - this.startedMs);
    const message = this.message === undefined ? '' : `: ${this.message}`;
    const head: Line = [
      piece(printable(`${this.step}${message}`, ascii), 'strong'),
      piece(`  ${elapsed}`, 'faint'),
    ];
    const names = [...this.members.keys()].map((name): Line => [piece(printable(name, ascii))]);
    const nameWidth = Math.max(0, ...names.map(widthOf));
    const rows = [...this.members.values()].map(
      (state, index): Line => [
        piece('  '),
        ...pad(names[index]!, nameWidth + 2),
        piece(state.step.padEnd(12), state.step === this.step ? 'accent' : 'faint'),
        piece(bytesText(state) ?? ''),
      ],
    );
    const hidden = rows.length - MAX_ROWS;
    const more: Line[] = hidden > 0 ? [[piece(`  and ${count(hidden, 'member')} more`, 'faint')]] : [];
    return [head, ...rows.slice(0, MAX_ROWS), ...more].map((line) => clip(line, width, ascii));
  }
}

/** What earlier steps have moved counts on: a member may be copied before the cut, and only the rest after it. */
function nextState(step: string, before: MemberState | undefined): MemberState {
  const earlierBytes = (before?.earlierBytes ?? 0) + (before?.doneBytes ?? 0);
  return {
    step,
    earlierBytes,
    doneBytes: undefined,
    totalBytes: undefined,
    printedMs: Number.NEGATIVE_INFINITY,
  };
}

function bytesText(state: MemberState | undefined): string | undefined {
  if (state === undefined || (state.doneBytes === undefined && state.earlierBytes === 0)) return undefined;
  const doneBytes = state.earlierBytes + (state.doneBytes ?? 0);
  if (state.totalBytes === undefined || state.totalBytes === 0) return formatBytes(doneBytes);
  const totalBytes = state.earlierBytes + state.totalBytes;
  const percent = Math.min(100, Math.floor((100 * doneBytes) / totalBytes));
  return `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}  ${percent} %`;
}
