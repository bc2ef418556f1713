/** How a host is reached by SSH. */
export interface SshSpec {
  /** A name or an address. */
  readonly address: string;
  /** 22 unless given. */
  readonly port?: number;
  /** Whoever runs us, unless given. */
  readonly user?: string;
  /** The private key itself (PEM or OpenSSH's format, without a passphrase). A secret. */
  readonly privateKey?: string;
  /** A file with the private key. Without either, the agent and the usual files of the user are tried. */
  readonly privateKeyFile?: string;
  /** The host's public key (`ssh-ed25519 AAAA…`), or several, a line each. */
  readonly hostKey?: string;
  /** A file of known hosts, instead of the user's own. */
  readonly knownHostsFile?: string;
  /** Take whatever key the host shows: whoever sits in between can then read and change everything. */
  readonly acceptAnyHostKey?: boolean;
  /** Another host, by way of which this one is reached. */
  readonly jump?: SshSpec;
}
