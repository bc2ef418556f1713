/** How an error matters to whoever started the work. */
export type Severity = 'error' | 'warning';

/**
 * Where an error belongs in what the user wrote: attribute names and map keys, outermost first,
 * for example `['members', 'orders', 'postgres', 'url']`.
 */
export type Place = readonly string[];

export interface StasisErrorOptions {
  /** What the user can do about it, as one sentence. */
  readonly hint?: string;
  /** The user's own attribute; outer layers prefix it with `within`. */
  readonly at?: Place;
  readonly severity?: Severity;
  /** Extra facts for logs and tests. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * The one error of Stasis. `code` is stable (`postgres.unreachable`), `message` is a sentence that says what
 * happened, `hint` says what to do, `at` says where in the user's input. Tests assert codes; engines map the
 * error at their edge. A message or hint never holds a secret.
 */
export class StasisError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly at: Place;
  readonly severity: Severity;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: StasisErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StasisError';
    this.code = code;
    this.hint = options.hint;
    this.at = options.at ?? [];
    this.severity = options.severity ?? 'error';
    this.details = options.details ?? {};
  }

  /** The same error, placed within an outer attribute. */
  within(...outer: string[]): StasisError {
    return this.placedAt([...outer, ...this.at]);
  }

  /** The same error, at another attribute. */
  placedAt(at: Place): StasisError {
    return new StasisError(this.code, this.message, {
      hint: this.hint,
      at,
      severity: this.severity,
      details: this.details,
      cause: this.cause,
    });
  }
}

/**
 * Anything thrown, as a StasisError: ours unchanged, an abort as `cancelled`, the rest under `fallbackCode`. Where
 * giving something up failed after the work had (`await using`), it is the error of the work, which also says what
 * was not given up: that may be a thaw.
 */
export function toStasisError(thrown: unknown, fallbackCode = 'internal'): StasisError {
  if (thrown instanceof StasisError) return thrown;
  if (nameOf(thrown) === 'SuppressedError') return withDisposal(thrown as SuppressedError, fallbackCode);
  if (nameOf(thrown) === 'AbortError') {
    const { cause } = thrown as { cause?: unknown };
    if (cause instanceof StasisError) return cause;
    return new StasisError('cancelled', 'The work was cancelled.', { cause: thrown });
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new StasisError(fallbackCode, message, { cause: thrown });
}

function withDisposal(thrown: SuppressedError, fallbackCode: string): StasisError {
  const work = toStasisError(thrown.suppressed, fallbackCode);
  const disposal = toStasisError(thrown.error, fallbackCode);
  if (work.message.includes(disposal.message)) return work;
  return new StasisError(
    work.code,
    `${work.message} Cleaning up after it failed as well: ${disposal.message}`,
    {
      hint: [work.hint, disposal.hint].filter((hint) => hint !== undefined).join(' ') || undefined,
      at: work.at,
      severity: work.severity,
      details: { ...work.details, cleanUpCode: disposal.code },
      cause: thrown,
    },
  );
}

/** Throws the signal's reason as a StasisError when the signal is aborted. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortReason(signal);
}

/** Why a signal was aborted, as a StasisError; `cancelled` unless the aborter gave one of ours. */
export function abortReason(signal: AbortSignal): StasisError {
  const reason: unknown = signal.reason;
  if (reason instanceof StasisError) return reason;
  if (nameOf(reason) === 'TimeoutError')
    return new StasisError('timeout', 'The time allowed for this step ran out.', { cause: reason });
  return new StasisError('cancelled', 'The work was cancelled.', { cause: reason });
}

/** By name and not by class: a DOMException of another realm is no instance of ours. */
function nameOf(thrown: unknown): unknown {
  return typeof thrown === 'object' && thrown !== null && 'name' in thrown ? thrown.name : undefined;
}
