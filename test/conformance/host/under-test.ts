import type { Host } from '../../../provider/core/host.ts';

/** A host and what a test must be able to do to it from outside. */
export interface HostUnderTest extends AsyncDisposable {
  readonly host: Host;
  /** A module that exports `host(): Host`, for another process that reaches the same machine. Its argument. */
  readonly child: { readonly module: string; readonly argument: string };
  /** The argument lists of every process there, joined by spaces, not by way of the host itself. */
  processList(): Promise<readonly string[]>;
}

export interface HostFactory {
  readonly name: string;
  /** Why it cannot be had here. */
  readonly reason: string | undefined;
  start(): Promise<HostUnderTest>;
}
