/**
 * A generation as a file: written once, never changed. Its name holds epoch and number, so that a
 * name is never used twice; `.bad` at its end says so even where the state record is lost. Pure.
 */
import * as v from "valibot";
import { openChecked, sealChecked } from "./checked-file.ts";
import type { GenerationContent } from "./generation.ts";

/** What is immutable of a generation; its mark is in the state record. */
export interface StoredGeneration extends GenerationContent {
  readonly number: number;
  readonly epoch: string;
  readonly createdAt: number;
  readonly digest: string;
}

export type ReadOutcome<T> =
  | { readonly kind: "whole"; readonly value: T }
  | { readonly kind: "damaged" }
  /** Whole, and written by a newer program. */
  | { readonly kind: "newer"; readonly version: number };

const KIND = "generation";
const VERSION = 1;

/** More than the three parts may have together, see content-check.ts. Bytes. */
export const MAX_GENERATION_BYTES = 2 * 1024 * 1024;

const EPOCH = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));
const HASH = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const keyShape = v.object({
  provider: v.string(),
  algorithm: v.picklist(["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa"]),
  spkiSha256: HASH,
  locator: v.string(),
});
const shape = v.object({
  number: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  epoch: EPOCH,
  createdAt: v.number(),
  digest: HASH,
  origin: v.picklist(["import", "push", "renewal", "enrolment", "trust"]),
  key: keyShape,
  chainPem: v.string(),
  trustBundlePem: v.string(),
});

/** What names a generation in the state record. */
export function idOf({ epoch, number }: { epoch: string; number: number }): string {
  return `${epoch}-${number}`;
}

export function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf("-") + 1));
}

export function generationFileName(id: string): string {
  return `generation-${id}`;
}

export function encodeGeneration(generation: StoredGeneration): Uint8Array {
  const { number, epoch, createdAt, digest, origin, key, chainPem, trustBundlePem } = generation;
  const { provider, algorithm, spkiSha256, locator } = key;
  const fields = {
    ...{ number, epoch, createdAt, digest, origin },
    key: { provider, algorithm, spkiSha256, locator },
    ...{ chainPem, trustBundlePem },
  };
  return sealChecked(KIND, VERSION, new TextEncoder().encode(JSON.stringify(fields)));
}

/** @param id That the file's name gives; another one inside means that the file was moved. */
export function decodeGeneration(bytes: Uint8Array, id: string): ReadOutcome<StoredGeneration> {
  const outcome = readJson(KIND, VERSION, shape, bytes);
  return outcome.kind === "whole" && idOf(outcome.value) !== id ? { kind: "damaged" } : outcome;
}

/** The payload of a checked file, of at most `newest`, as JSON of a shape. */
export function readJson<T>(
  kind: string,
  newest: number,
  schema: v.GenericSchema<unknown, T>,
  bytes: Uint8Array,
): ReadOutcome<T> {
  const opened = openChecked(kind, bytes);
  if (opened === undefined) return { kind: "damaged" };
  if (opened.version > newest) return { kind: "newer", version: opened.version };
  try {
    const parsed = v.safeParse(schema, JSON.parse(new TextDecoder().decode(opened.payload)));
    return parsed.success ? { kind: "whole", value: parsed.output } : { kind: "damaged" };
  } catch {
    // The checksum is right and it is no JSON: nothing that this program wrote.
    return { kind: "damaged" };
  }
}

export { keyShape };
