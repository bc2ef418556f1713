import { hash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StasisError } from '../../core/errors.ts';
import { isCode, syncFolder, writeDurably } from './durable.ts';
import { fileNameOf } from './layout.ts';

/** File systems take names of 255 bytes. */
const MAX_NAME_LENGTH = 200;

/** Small JSON documents under keys of any kind, in one folder: durable, and each with a checksum of its own. */
export class Documents {
  readonly #folder: string;
  readonly #temporary: string;

  constructor(folder: string, temporary: string) {
    this.#folder = folder;
    this.#temporary = temporary;
  }

  /** Undefined when there is none. @throws StasisError `store.damaged` */
  async read(key: string): Promise<unknown> {
    return (await this.#open(this.#file(key)))?.value;
  }

  async write(key: string, value: unknown): Promise<void> {
    const content = JSON.stringify({ key, value });
    const document = JSON.stringify({ sha256: hash('sha256', content, 'hex'), content });
    await writeDurably(this.#file(key), document, this.#temporary);
  }

  async remove(key: string): Promise<void> {
    try {
      await rm(this.#file(key));
    } catch (error) {
      if (isCode(error, 'ENOENT', 'ENOTDIR')) return;
      throw error;
    }
    await syncFolder(this.#folder);
  }

  /** Keys that begin with `prefix`, sorted. */
  async list(prefix: string): Promise<readonly string[]> {
    const keys: string[] = [];
    for (const name of await this.#names()) {
      const document = await this.#open(join(this.#folder, name));
      if (document?.key.startsWith(prefix)) keys.push(document.key);
    }
    return keys.sort();
  }

  /** What is wrong with any of them, one sentence each without its full stop. */
  async damaged(): Promise<readonly string[]> {
    const messages: string[] = [];
    for (const name of await this.#names()) {
      try {
        await this.#open(join(this.#folder, name));
      } catch (error) {
        if (!(error instanceof StasisError)) throw error;
        messages.push(error.message.replace(/\.$/, ''));
      }
    }
    return messages;
  }

  async #names(): Promise<string[]> {
    try {
      return (await readdir(this.#folder)).filter((name) => name.endsWith('.json'));
    } catch (error) {
      if (isCode(error, 'ENOENT', 'ENOTDIR')) return [];
      throw error;
    }
  }

  async #open(file: string): Promise<{ readonly key: string; readonly value: unknown } | undefined> {
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (isCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
    try {
      const { sha256, content } = JSON.parse(text) as { sha256: string; content: string };
      if (hash('sha256', content, 'hex') === sha256) return JSON.parse(content);
    } catch {
      // Told below: whatever is not as it was written is damaged.
    }
    throw new StasisError('store.damaged', `The store's own record ${file} is damaged.`, {
      hint: 'Remove the file if it is not needed, or restore it from a backup of the store.',
    });
  }

  #file(key: string): string {
    const name = fileNameOf(key);
    const short =
      name.length <= MAX_NAME_LENGTH ? name : `${name.slice(0, 100)}~${hash('sha256', key, 'hex')}`;
    return join(this.#folder, `${short}.json`);
  }
}
