import type { Severity } from './errors.ts';

/**
 * The coordinator's one clock. `nowNs` is monotonic, in whole nanoseconds since the clock was made: a plain
 * number, exact for 104 days (2^53 ns). `wallMs` is for people and expiry times only, never for the proof.
 */
export interface Clock {
  nowNs(): number;
  /** Milliseconds since the Unix epoch. */
  wallMs(): number;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Structured log. Fields never hold a secret: pass endpoints, not URLs. */
export interface Logger {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface ProgressEvent {
  /** One of the protocol's steps (`plan`, `prepare`, `hold`, …) or a step of a restore. */
  readonly step: string;
  readonly member?: string;
  readonly message?: string;
  readonly doneBytes?: number;
  readonly totalBytes?: number;
  readonly severity?: Severity;
}

/** Called with what is going on. May be called often; the receiver thins it out. */
export type Progress = (event: ProgressEvent) => void;

/** What every call of the protocol takes. Every wait inside is bounded, and ends when `signal` aborts. */
export interface Context {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly progress: Progress;
}
