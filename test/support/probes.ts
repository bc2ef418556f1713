import type { HttpRequest } from '../../provider/core/http-request.ts';
import type { Probe, ProbeComparison } from '../../provider/core/probe.ts';

/** A probe by a command. */
export function commandProbe(name: string, member: string, ...words: string[]): Probe {
  return {
    ...{ name, member, timeoutMs: 10_000, required: false },
    ...{ question: { kind: 'command', words }, comparison: { rows: 'unordered' } },
  };
}

/** A probe by one statement. */
export function sqlProbe(name: string, member: string, statement: string): Probe {
  return {
    ...{ name, member, timeoutMs: 10_000, required: false },
    ...{ question: { kind: 'sql', words: [statement] }, comparison: { rows: 'unordered' } },
  };
}

/** A probe by HTTP as the resource would make it, with what a test cares for. */
export function httpProbe(
  name: string,
  member: string,
  request: Partial<HttpRequest> & Pick<HttpRequest, 'url'>,
  {
    comparison = {},
    ...more
  }: Partial<Omit<Probe, 'comparison'>> & { readonly comparison?: Partial<ProbeComparison> } = {},
): Probe {
  const http: HttpRequest = { method: 'GET', status: 200, ...request };
  return {
    ...{ name, member, timeoutMs: 5_000, required: false },
    question: { kind: 'http', words: [http.method, http.url], http },
    comparison: { rows: 'unordered', ...comparison },
    ...more,
  };
}
