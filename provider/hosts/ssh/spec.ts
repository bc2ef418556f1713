import { z } from 'zod';

/** What is said of a machine that is logged in to; the same for the host itself and for one on the way to it. */
const LOGIN = {
  address: z
    .string()
    .regex(/^[^\s-]\S*$/, 'Give a name or an address')
    .describe('Name or address of the machine.')
    .meta({ open: true }),
  port: z.number().int().min(1).max(65_535).optional().describe('Port of its sshd. Default: 22.'),
  user: z
    .string()
    .regex(/^[^\s-]\S*$/, 'Give the name of a user')
    .optional()
    .describe('Who logs in. Default: the user who runs Stasis.')
    .meta({ open: true }),
  privateKey: z
    .string()
    .min(1)
    .optional()
    .describe(
      'The private key itself, in OpenSSH or PEM format and without a passphrase. It is kept in memory only. Without this and `privateKeyFile`, the ssh-agent and the usual key files of the user are tried.',
    )
    .meta({ secret: true }),
  privateKeyFile: z.string().min(1).optional().describe('File of the private key.').meta({ open: true }),
  hostKey: z
    .string()
    .min(1)
    .optional()
    .describe(
      'The public key of the machine, such as `ssh-ed25519 AAAA…`, or several, a line each. Without this and `knownHostsFile`, the known hosts of the user are asked; an unknown key is refused.',
    )
    .meta({ open: true }),
  knownHostsFile: z
    .string()
    .min(1)
    .optional()
    .describe('File of known hosts, instead of those of the user.')
    .meta({ open: true }),
  acceptAnyHostKey: z
    .boolean()
    .optional()
    .describe(
      'Take whatever key the machine shows. Whoever sits in between can then read and change everything. Default: false.',
    ),
};

/** How a host is reached by SSH. */
export const sshSpec = z
  .strictObject({
    ...LOGIN,
    jump: z
      .strictObject(LOGIN)
      .meta({ typeName: 'Jump' })
      .optional()
      .describe('Another machine, by way of which this one is reached.'),
  })
  .meta({ typeName: 'Ssh' });

type Login = Omit<z.infer<typeof sshSpec>, 'jump'>;

export interface SshSpec extends Login {
  /** As deep as it has to be. */
  readonly jump?: SshSpec;
}

/** Equal exactly for the same machine. */
export function placeOf({ address, port }: { readonly address: string; readonly port?: unknown }): string {
  return `ssh://${address.includes(':') ? `[${address}]` : address.toLowerCase()}:${port ?? 22}`;
}
