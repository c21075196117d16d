/**
 * The certificate store as its users see it. One writer per directory; every method that changes
 * something resolves when the change is durable, and rejects with the state as it was.
 */
import type { KeyReference } from "../keys/key-provider.ts";
import type { Generation, GenerationContent, GenerationMark, MarkReason } from "./generation.ts";

export interface CertificateStore extends AsyncDisposable {
  readonly dir: string;
  /** Drawn when the store began; 32 hexadecimal digits. */
  readonly epoch: string;
  /** In force; `undefined` in an empty store. */
  readonly current: Generation | undefined;
  /** What a fall-back returns to. */
  readonly previous: Generation | undefined;
  /** Durable, not yet in force. */
  readonly next: Generation | undefined;
  readonly health: StoreHealth;
  readonly wear: StoreWear;

  /** Writes a new generation as `next`, replacing a `next` that was there. @throws AgentError `ERR_STORE_*`. */
  stage(content: GenerationContent): Promise<Generation>;
  /** Puts `next` in force: it becomes `current`, what was current becomes `previous`. */
  commit(): Promise<Generation>;
  /** Marks a generation; a mark that says the same costs no write. */
  mark(number: number, mark: GenerationMark, reasons?: readonly MarkReason[]): Promise<void>;
  /** `previous` is in force again; what was current is kept, marked bad. */
  fallBack(reasons: readonly MarkReason[]): Promise<Generation>;
  /** Gives up `next`; kept in the history, marked bad. */
  discardNext(reasons: readonly MarkReason[]): Promise<void>;
  /** All that are still on flash, newest first. */
  history(): readonly Generation[];

  /** Keys made ahead of their certificate (`key create`, and for a request under way). */
  pendingKeys(): ReadonlyMap<string, KeyReference>;
  keepKey(name: string, key: KeyReference): Promise<void>;
  dropKey(name: string): Promise<void>;

  /** Small further state that must survive (trusted time floor, CRL numbers, ...), at most 64 KiB each. */
  readNote(name: string): Promise<Uint8Array | undefined>;
  writeNote(name: string, bytes: Uint8Array): Promise<void>;

  /** Destroys every key and certificate and begins a new epoch. */
  reset(): Promise<void>;
}

export interface StoreHealth {
  /** `false` after an error that makes writing pointless (read-only, EIO); the agent serves from memory. */
  readonly writable: boolean;
  /** What is wrong, in words; `undefined` when nothing is. */
  readonly fault: string | undefined;
  /** What was repaired when the store was opened, in words. */
  readonly healed: readonly string[];
  /** Bytes set aside so that a rotation succeeds on a full disk; 0 when they could not be. */
  readonly reserveBytes: number;
}

export interface StoreWear {
  /** Since the store was opened. */
  readonly bytesWritten: number;
  readonly syncs: number;
  readonly operations: number;
  /** In the running day, and what a day may cost. */
  readonly bytesToday: number;
  readonly budgetBytesPerDay: number;
}
