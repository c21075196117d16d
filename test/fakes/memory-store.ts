/**
 * A certificate store in memory, for tests of what stands above it. It keeps its state when it is closed,
 * as flash does, and fails when a test says so.
 */
import { AgentError } from "#src/base/errors.ts";
import type { KeyReference } from "#src/identity/keys/key-provider.ts";
import { materialDigest } from "#src/identity/material-digest.ts";
import type {
  CertificateStore,
  StoreHealth,
  StoreWear,
} from "#src/identity/store/certificate-store.ts";
import type {
  Generation,
  GenerationContent,
  GenerationMark,
  MarkReason,
} from "#src/identity/store/generation.ts";

export type StoreOperation =
  | "stage"
  | "commit"
  | "mark"
  | "fallBack"
  | "discardNext"
  | "writeNote"
  | "dropNote";

export class MemoryStore implements CertificateStore {
  readonly dir = "/memory";
  epoch = "0123456789abcdef0123456789abcdef";
  readonly health: StoreHealth = {
    writable: true,
    fault: undefined,
    healed: [],
    reserveBytes: 65_536,
  };
  /** What was done, in order: `stage 1`, `commit 1`, ... */
  readonly writes: string[] = [];
  /** The next operation of this kind rejects with that error. */
  readonly failing = new Map<StoreOperation, AgentError>();
  /** Awaited after each durable change; what never resolves is a process that died there. */
  afterWrite: (what: string) => Promise<void> | undefined = () => undefined;
  readonly #generations = new Map<number, Generation>();
  readonly #keys = new Map<string, KeyReference>();
  readonly #notes = new Map<string, Uint8Array>();
  readonly #now: () => number;
  #current: number | undefined;
  #previous: number | undefined;
  #next: number | undefined;
  #last = 0;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  get current(): Generation | undefined {
    return this.#at(this.#current);
  }

  get previous(): Generation | undefined {
    return this.#at(this.#previous);
  }

  get next(): Generation | undefined {
    return this.#at(this.#next);
  }

  get wear(): StoreWear {
    const operations = this.writes.length;
    return { bytesWritten: 0, syncs: 0, operations, bytesToday: 0, budgetBytesPerDay: 1 };
  }

  async stage(content: GenerationContent, digest?: string): Promise<Generation> {
    this.#mayFail("stage");
    const own = materialDigest(content);
    if (digest !== undefined && digest !== own) {
      throw new AgentError("ERR_STORE_CONTENT", "the digest is of something else");
    }
    const { key, chainPem, trustBundlePem, origin } = content;
    const number = ++this.#last;
    const generation: Generation = {
      ...{ key, chainPem, trustBundlePem, origin, number },
      epoch: this.epoch,
      createdAt: this.#now(),
      digest: own,
      mark: "staged",
      reasons: [],
    };
    this.#generations.set(number, generation);
    this.#next = number;
    await this.#wrote(`stage ${number}`);
    return generation;
  }

  async commit(): Promise<Generation> {
    this.#mayFail("commit");
    const { next } = this;
    if (next === undefined) throw sequence("there is no next");
    this.#previous = this.#current;
    this.#current = next.number;
    this.#next = undefined;
    await this.#wrote(`commit ${next.number}`);
    return next;
  }

  async mark(
    number: number,
    mark: GenerationMark,
    reasons: readonly MarkReason[] = [],
  ): Promise<void> {
    this.#mayFail("mark");
    const generation = this.#at(number);
    if (generation === undefined || generation.mark === "bad") throw sequence("no such generation");
    if (generation.mark === mark) return;
    this.#generations.set(number, { ...generation, mark, reasons });
    await this.#wrote(`mark ${number} ${mark}`);
  }

  async fallBack(reasons: readonly MarkReason[]): Promise<Generation> {
    this.#mayFail("fallBack");
    const { current, previous } = this;
    if (current === undefined || previous === undefined) throw sequence("there is no previous");
    this.#generations.set(current.number, { ...current, mark: "bad", reasons });
    this.#current = previous.number;
    this.#previous = undefined;
    await this.#wrote(`fallBack ${previous.number}`);
    return previous;
  }

  async discardNext(reasons: readonly MarkReason[]): Promise<void> {
    this.#mayFail("discardNext");
    const { next } = this;
    if (next === undefined) throw sequence("there is no next");
    const kept = reasons.map(({ code, words }) => ({ code, words }));
    this.#generations.set(next.number, { ...next, mark: "bad", reasons: kept });
    this.#next = undefined;
    await this.#wrote(`discardNext ${next.number}`);
  }

  /** As the real one: those in use and the last few that are bad. */
  history(): readonly Generation[] {
    const used = new Set([this.#current, this.#previous, this.#next]);
    const all = [...this.#generations.values()].toReversed();
    const bad = all.filter(({ mark }) => mark === "bad").slice(0, 4);
    return all.filter((generation) => used.has(generation.number) || bad.includes(generation));
  }

  pendingKeys(): ReadonlyMap<string, KeyReference> {
    return this.#keys;
  }

  async keepKey(name: string, key: KeyReference): Promise<void> {
    this.#keys.set(name, key);
    await this.#wrote(`keepKey ${name}`);
  }

  async dropKey(name: string): Promise<void> {
    if (this.#keys.delete(name)) await this.#wrote(`dropKey ${name}`);
  }

  async readNote(name: string): Promise<Uint8Array | undefined> {
    return this.#notes.get(name);
  }

  noteNames(): readonly string[] {
    return [...this.#notes.keys()];
  }

  async writeNote(name: string, bytes: Uint8Array): Promise<void> {
    this.#mayFail("writeNote");
    this.#notes.set(name, new Uint8Array(bytes));
    await this.#wrote(`writeNote ${name}`);
  }

  async dropNote(name: string): Promise<void> {
    this.#mayFail("dropNote");
    if (this.#notes.delete(name)) await this.#wrote(`dropNote ${name}`);
  }

  async reset(): Promise<void> {
    this.#generations.clear();
    this.#keys.clear();
    this.#notes.clear();
    this.#current = undefined;
    this.#previous = undefined;
    this.#next = undefined;
    await this.#wrote("reset");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // flash keeps what it has
  }

  #at(number: number | undefined): Generation | undefined {
    return number === undefined ? undefined : this.#generations.get(number);
  }

  #mayFail(operation: StoreOperation): void {
    const error = this.failing.get(operation);
    if (error !== undefined) throw error;
  }

  async #wrote(what: string): Promise<void> {
    this.writes.push(what);
    await this.afterWrite(what);
  }
}

function sequence(words: string): AgentError {
  return new AgentError("ERR_STORE_SEQUENCE", words);
}
