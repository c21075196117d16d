/**
 * The certificate store as its users see it. One writer per directory; every method that changes
 * something resolves when the change is durable, and rejects with the state as it was.
 *
 * Changes run one after another, each in at most one thread of libuv's pool, so that a disk that
 * takes 30 s to sync holds up nothing but further changes. What is read as a property comes from
 * memory. Open it with `openCertificateStore` (open-store.ts).
 */
import type { KeyReference } from "../keys/key-provider.ts";
import type { Generation, GenerationContent, GenerationMark, MarkReason } from "./generation.ts";

export interface CertificateStore extends AsyncDisposable {
  readonly dir: string;
  /** Drawn when the store began, was lost or was reset; 32 hexadecimal digits. */
  readonly epoch: string;
  /** In force; `undefined` in an empty store. */
  readonly current: Generation | undefined;
  /** What a fall-back returns to. */
  readonly previous: Generation | undefined;
  /** Durable, not yet in force. */
  readonly next: Generation | undefined;
  readonly health: StoreHealth;
  readonly wear: StoreWear;

  /**
   * Writes a new generation as `next`, replacing a `next` that was there, and reads it back.
   *
   * @param digest Of what was validated (`TlsMaterial.digest`); what is written must have the same.
   * @throws AgentError `ERR_STORE_CONTENT` when key, leaf and digest don't belong together or are
   *   too large; `ERR_STORE_FULL`, `ERR_STORE_READ_ONLY`, `ERR_STORE_IO`, `ERR_STORE_BUSY`.
   */
  stage(content: GenerationContent, digest?: string): Promise<Generation>;
  /**
   * Puts `next` in force: it becomes `current`, what was current becomes `previous`. Its mark stays.
   *
   * @throws AgentError `ERR_STORE_SEQUENCE` when there is no `next`; else as {@link stage}.
   */
  commit(): Promise<Generation>;
  /**
   * Marks a generation; a mark that says the same costs no write. `bad` is for good: whoever wants
   * that generation again imports it again.
   *
   * @throws AgentError `ERR_STORE_SEQUENCE` when there is no such generation, or it is bad.
   */
  mark(number: number, mark: GenerationMark, reasons?: readonly MarkReason[]): Promise<void>;
  /**
   * `previous` is in force again; what was current is kept, marked bad.
   *
   * @throws AgentError `ERR_STORE_SEQUENCE` when there is no `previous`.
   */
  fallBack(reasons: readonly MarkReason[]): Promise<Generation>;
  /** Gives up `next`; kept in the history, marked bad. */
  discardNext(reasons: readonly MarkReason[]): Promise<void>;
  /** All that are still on flash, newest first: those three, and the last few marked bad. */
  history(): readonly Generation[];

  /** Keys made ahead of their certificate (`key create`, and for a request under way), at most 16. */
  pendingKeys(): ReadonlyMap<string, KeyReference>;
  /** Keeps a key under a name (letters, digits, `.`, `_`, `-`; 64 at most), replacing one that was there. */
  keepKey(name: string, key: KeyReference): Promise<void>;
  /** Does nothing when there is none. */
  dropKey(name: string): Promise<void>;

  /**
   * Small further state that must survive (trusted time floor, CRL numbers, ...); at most 64 notes of
   * 64 KiB. A note that was found damaged when the store was opened is gone, and `health.healed` says so.
   *
   * @throws AgentError `ERR_STORE_CORRUPT` when it was damaged since.
   */
  readNote(name: string): Promise<Uint8Array | undefined>;
  /** Of the notes that are there, in no order. */
  noteNames(): readonly string[];
  /** Replaces a note as a whole; the same bytes again cost no write. */
  writeNote(name: string, bytes: Uint8Array): Promise<void>;
  /** Does nothing when there is none. */
  dropNote(name: string): Promise<void>;

  /**
   * Factory reset: removes every key, certificate and note, and begins a new epoch. Power lost half
   * way, or an error of the disk: the next change, retry or opening finishes it; from the moment that
   * it is decided the store is empty. What was removed may still be read from the flash chip by force;
   * only the end of the sealing key destroys it for certain.
   */
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
  /** Since the store was opened; bytes as handed to the file system, which adds its own. */
  readonly bytesWritten: number;
  readonly syncs: number;
  readonly operations: number;
  /** In the running day (24 h from opening on, by the monotonic clock), and what a day may cost. */
  readonly bytesToday: number;
  readonly budgetBytesPerDay: number;
}
