/**
 * The part of @redis/client that we use, as an ES module: a CommonJS package that is imported while running has, once
 * bundled, no names of its own.
 */
export { createClient, ErrorReply, RESP_TYPES } from '@redis/client';
