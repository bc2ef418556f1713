import { z } from 'zod';
import { HTTP_METHODS, type HttpRequest, headerProblem, parseHttpUrl } from '../core/http-request.ts';

const OK = 200;

const HEADER_PROBLEMS = {
  malformed: { message: 'This is no header', hint: 'A name, and a value of one line of ASCII.' },
  ours: { message: 'This header is set with each request', hint: 'Leave it out.' },
  secret: {
    message: 'The headers of a probe are kept in the snapshot, and this one holds a secret',
    hint: 'Write it into a file of the member\'s host, and name that as "headersFile".',
  },
} as const;

/** What a user writes of a request. */
export const HTTP_QUESTION = z
  .strictObject({
    url: z
      .string()
      .max(8_000)
      .refine((url) => parseHttpUrl(url) !== undefined, {
        message: 'This is no URL that a member can be asked by',
        params: {
          code: 'probe.http-url',
          hint: 'Write http:// or https:// and an address as the member itself sees it: http://127.0.0.1:8080/orders/count.',
        },
      })
      .describe(
        'Where it answers, as the member itself sees it: http://127.0.0.1:8080/orders/count. An address or localhost, no other name; without a password.',
      ),
    method: z
      .enum(HTTP_METHODS)
      .optional()
      .describe(
        'GET unless said. POST is for what cannot be asked otherwise: the request must change nothing.',
      )
      .meta({ typeName: 'HttpMethod' }),
    headers: z
      .record(z.string(), z.string().max(8_000))
      .optional()
      .describe('Headers of the request. They are kept in the snapshot: put no secret into one.'),
    headersFile: z
      .string()
      .refine((path) => path.startsWith('/') && !path.includes('\0'), 'An absolute path is needed.')
      .optional()
      .describe(
        "A file on the member's host with more headers, one a line, for those that hold secrets: read whenever it is asked, at the cut and where it was restored, and kept nowhere.",
      ),
    serverName: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe(
        'Of https: the name in the certificate that is to be shown. The address of the URL unless said.',
      ),
    caFile: z
      .string()
      .refine((path) => path.startsWith('/') && !path.includes('\0'), 'An absolute path is needed.')
      .optional()
      .describe(
        "Of https: a file on the member's host with the certificates that are trusted (PEM), such as that of the server itself. Read whenever it is asked. Unless said those that Node.js trusts.",
      ),
    body: z.string().max(100_000).optional().describe('What is sent, of a POST.'),
    status: z
      .number()
      .int()
      .min(200)
      .max(599)
      .optional()
      .describe(`Which status an answer has. ${OK} unless said; redirects are not followed.`),
  })
  .superRefine(({ url, method = 'GET', body, headers = {}, ...tls }, context) => {
    for (const field of ['serverName', 'caFile'] as const)
      if (tls[field] && parseHttpUrl(url)?.secure === false)
        context.addIssue({
          code: 'custom',
          message: 'A request by http shows no certificate',
          path: [field],
          params: { code: 'probe.http-tls', hint: 'Write https://, or leave it out.' },
        });
    if (body !== undefined && method !== 'POST')
      context.addIssue({
        code: 'custom',
        message: `A request by ${method} has no body`,
        path: ['body'],
        params: { code: 'probe.http-body', hint: 'Set method to POST, or leave the body out.' },
      });
    for (const [name, value] of Object.entries(headers)) {
      const problem = headerProblem(name, value);
      if (problem === undefined) continue;
      const { message, hint } = HEADER_PROBLEMS[problem];
      const params = { code: `probe.http-header-${problem}`, hint };
      context.addIssue({ code: 'custom', message, path: ['headers', name], params });
    }
  })
  .meta({ typeName: 'HttpQuestion' });
export type HttpQuestion = z.infer<typeof HTTP_QUESTION>;

/** With what is not said. Engines give null for that. */
export function httpRequestOf(question: HttpQuestion): HttpRequest {
  const { url, method, headers, headersFile, serverName, caFile, body, status } = question;
  return {
    ...{ method: method ?? 'GET', url, status: status ?? OK },
    ...(headers ? { headers } : {}),
    ...(headersFile ? { headersFile } : {}),
    ...(serverName ? { serverName } : {}),
    ...(caFile ? { caFile } : {}),
    ...(typeof body === 'string' ? { body } : {}),
  };
}
