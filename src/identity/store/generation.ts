/**
 * A generation: one immutable, numbered set of key reference, chain and trust bundle. Numbers only rise
 * within an epoch; an epoch is drawn at random when a store begins, so that what was signed for a lost
 * store can't be replayed against its successor.
 */
import type { KeyReference } from "../keys/key-provider.ts";

export interface GenerationContent {
  readonly key: KeyReference;
  /** Leaf first, PEM. */
  readonly chainPem: string;
  readonly trustBundlePem: string;
  /** How it came here. */
  readonly origin: "import" | "push" | "renewal" | "enrolment" | "trust";
}

/**
 * What became of a generation: `trialled` has reached a peer, `unproven` had no peer to try, `bad` fell
 * back or was refused by peers and is kept with its reasons.
 */
export type GenerationMark = "staged" | "unproven" | "trialled" | "bad";

export interface MarkReason {
  readonly code: string;
  readonly words: string;
}

export interface Generation extends GenerationContent {
  /** From 1. */
  readonly number: number;
  /** The epoch it was written in; 32 hexadecimal digits. */
  readonly epoch: string;
  /** Unix ms by the wall clock, which may have been wrong. */
  readonly createdAt: number;
  /** As {@link TlsMaterial.digest}: SHA-256 over chain, public key and trust bundle, hexadecimal. */
  readonly digest: string;
  readonly mark: GenerationMark;
  readonly reasons: readonly MarkReason[];
}
