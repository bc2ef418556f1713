/**
 * Pulumi's own messages of the provider protocol, and nothing else of its library: the library's index takes more than
 * a second to load.
 */
export { default } from '@pulumi/pulumi/proto/provider_pb.js';
