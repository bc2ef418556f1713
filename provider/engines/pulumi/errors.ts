import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import statusMessages from '@pulumi/pulumi/proto/status_pb.js';
import any from 'google-protobuf/google/protobuf/any_pb.js';
import type { StasisError } from '../../core/errors.ts';
import type { Redact } from '../redaction.ts';
import provider from './stubs.ts';
import { formatPath } from './values/paths.ts';
import { encodeProperties, type PropertyMap } from './values/property.ts';

/** The sentence, what to do, and where: `… . Check the port. (at members.orders.postgres.url, code postgres.unreachable)` */
export function sentenceOf(error: StasisError): string {
  const place = error.at.length === 0 ? '' : `at ${formatPath(error.at)}, `;
  return [reasonOf(error), `(${place}code ${error.code})`].join(' ');
}

function reasonOf({ message, hint }: StasisError): string {
  return [message, hint].filter((part) => part !== undefined).join(' ');
}

/** What is wrong with an input, at the user's own property. */
export function checkFailures(problems: readonly StasisError[], redact: Redact) {
  return problems.map((problem) =>
    new provider.CheckFailure()
      .setProperty(formatPath(problem.at))
      .setReason(redact(`${reasonOf(problem)} (code ${problem.code})`)),
  );
}

/**
 * Why a call did nothing. The engine takes these statuses for a clean failure: the resource is as it was. UNKNOWN,
 * INTERNAL and DATA_LOSS would make it say that the resource may be corrupt.
 */
export function callError(problems: readonly StasisError[], redact: Redact): Partial<ServiceError> {
  const [first] = problems;
  const code =
    first?.code === 'cancelled'
      ? status.ABORTED
      : first?.code.startsWith('input.')
        ? status.INVALID_ARGUMENT
        : status.FAILED_PRECONDITION;
  return { code, details: redact(problems.map(sentenceOf).join('\n')) };
}

/**
 * A part of the resource came to be: the engine keeps it with what was told, and its next run asks for an update even
 * where nothing has changed.
 */
export function initFailed(
  id: string,
  properties: PropertyMap,
  inputs: PropertyMap,
  error: StasisError,
  redact: Redact,
): Partial<ServiceError> {
  const reason = redact(sentenceOf(error));
  const detail = new provider.ErrorResourceInitFailed()
    .setId(id)
    .setProperties(encodeProperties(properties))
    .setInputs(encodeProperties(inputs))
    .setReasonsList([reason]);
  return failureWith(
    { code: status.UNKNOWN, details: reason },
    'pulumirpc.ErrorResourceInitFailed',
    detail.serializeBinary(),
  );
}

/** A failure that carries a message of Pulumi's, where gRPC keeps those (`grpc-status-details-bin`). */
export function failureWith(
  { code, details }: { readonly code: status; readonly details: string },
  type: string,
  message: Uint8Array,
): Partial<ServiceError> {
  const packed = new any.Any();
  packed.pack(message, type);
  const whole = new statusMessages.Status().setCode(code).setMessage(details).setDetailsList([packed]);
  const metadata = new Metadata();
  metadata.add('grpc-status-details-bin', Buffer.from(whole.serializeBinary()));
  return { code, details, metadata };
}
