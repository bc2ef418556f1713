import type { ProviderDefinition } from '../core/resource.ts';
import { makeProvider } from '../resources/provider.ts';
import { makeServices } from './services.ts';

/**
 * The provider with everything that this build has. `owner` says whose names are captured where no state says
 * otherwise: the same in every run of the same project.
 */
export function providerDefinition(owner: string): ProviderDefinition {
  return makeProvider(makeServices(owner));
}
