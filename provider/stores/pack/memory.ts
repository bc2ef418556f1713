/**
 * Gives back the memory of buffers that nobody reads again. The garbage collector counts what lies outside its heap
 * only in steps of 64 MB a thread, which would be most of the memory that a capture takes. Only for buffers with
 * memory of their own.
 */
export function free(views: Iterable<Uint8Array>): void {
  for (const { buffer } of views) if ('transfer' in buffer && !buffer.detached) buffer.transfer(0);
}
