const VERSIONS = { rds: '2014-10-31', elasticache: '2015-02-02', ec2: '2016-11-15' } as const;

/** How long a call may take. */
const TIMEOUT_MS = 30_000;

/** Reads the text of the first element of a name out of an answer. @throws when there is none. */
export type Answer = (element: string) => string;

/** One call of AWS's query protocol at AWS_ENDPOINT_URL, which is moto: it looks at the scope, not at the signature. */
export async function query(
  service: keyof typeof VERSIONS,
  action: string,
  parameters: Readonly<Record<string, unknown>>,
): Promise<Answer> {
  const endpoint = process.env.AWS_ENDPOINT_URL;
  if (endpoint === undefined) throw new Error('AWS_ENDPOINT_URL is not set');
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/${service}/aws4_request, SignedHeaders=host, Signature=none`,
    },
    body: new URLSearchParams([
      ['Action', action],
      ['Version', VERSIONS[service]],
      ...given.map(([name, value]): [string, string] => [name, String(value)]),
    ]),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`${service} ${action} answered ${response.status}: ${text.slice(0, 500)}`);
  return (element) => {
    const found = new RegExp(`<${element}>([^<]*)</${element}>`).exec(text)?.[1];
    if (found === undefined) throw new Error(`${service} ${action} answered without ${element}`);
    return found;
  };
}
