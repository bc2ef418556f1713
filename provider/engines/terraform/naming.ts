/** `maxPauseMs` as Terraform writes it: `max_pause_ms`. A run of capitals is one word: `tlsCA` is `tls_ca`. */
export function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase();
}

/** Our name in the registries, and the prefix of our types. */
export const PROVIDER_NAMESPACE = 'stasis-iac';
export const PROVIDER_TYPE = 'stasis';

/** `stasis_snapshot` of `Snapshot`, or of a data source's `snapshot`. */
export function typeNameOf(name: string): string {
  return `${PROVIDER_TYPE}_${snakeCase(name)}`;
}

export type EngineName = 'terraform' | 'opentofu';

/** Where each engine looks for a provider that names no host. */
export const REGISTRY_HOSTS: Readonly<Record<EngineName, string>> = {
  terraform: 'registry.terraform.io',
  opentofu: 'registry.opentofu.org',
};

/** `registry.terraform.io/stasis-iac/stasis` */
export function providerAddress(engine: EngineName): string {
  return `${REGISTRY_HOSTS[engine]}/${PROVIDER_NAMESPACE}/${PROVIDER_TYPE}`;
}
