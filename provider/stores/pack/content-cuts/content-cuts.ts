import { CUT_WASM_BASE64 } from './cut-wasm.gen.ts';

/** No chunk is shorter, but the last of what is cut at once; none is longer. In bytes. */
export const MIN_CONTENT_CHUNK_BYTES = 4096;
export const MAX_CONTENT_CHUNK_BYTES = 65_536;

const WASM_PAGE_BYTES = 65_536;
/** The gear table and the compiler's own data lie below it. */
const INPUT_OFFSET = WASM_PAGE_BYTES;

interface CutExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  init(): void;
  cutAll(from: number, to: number, out: number): number;
}

/** The part of WebAssembly used here; TypeScript declares it only together with a browser. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
}

function instantiate(): CutExports {
  const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi })
    .WebAssembly;
  const { exports } = new Instance(new Module(Buffer.from(CUT_WASM_BASE64, 'base64')));
  return exports as CutExports;
}

/** Cuts content where the content says: equal content gives equal chunks, wherever in a stream it stands. */
export class ContentCutter {
  readonly #exports: CutExports;
  readonly #maxBytes: number;
  readonly #input: Buffer;
  readonly #outOffset: number;

  constructor(maxBytes: number) {
    this.#exports = instantiate();
    this.#maxBytes = maxBytes;
    this.#outOffset = INPUT_OFFSET + Math.ceil(maxBytes / 4) * 4;
    const outBytes = 4 * (Math.ceil(maxBytes / MIN_CONTENT_CHUNK_BYTES) + 1);
    const { memory } = this.#exports;
    memory.grow(Math.ceil((this.#outOffset + outBytes - memory.buffer.byteLength) / WASM_PAGE_BYTES));
    this.#input = Buffer.from(memory.buffer, INPUT_OFFSET, maxBytes);
    this.#exports.init();
  }

  /**
   * The end of each chunk of `content`, ascending; the last is its length. The result is valid until the next call.
   * `content` has at most the constructor's `maxBytes`.
   */
  cut(content: Uint8Array): Uint32Array {
    if (content.length > this.#maxBytes) throw new RangeError(`cannot cut ${content.length} bytes at once`);
    this.#input.set(content);
    const count = this.#exports.cutAll(INPUT_OFFSET, INPUT_OFFSET + content.length, this.#outOffset);
    return new Uint32Array(this.#exports.memory.buffer, this.#outOffset, count);
  }
}
