/**
 * Small JSON documents as notes of the store. The store vouches for their bytes; what is asked here is whether
 * this version of the agent can read them: one that was put back by a fall-back meets those of a later one.
 */
import * as v from "valibot";

/** Of every document; one that changes its meaning gets another. */
const VERSION = 1;

export function formatNote(members: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, ...members }));
}

/**
 * @param note Its bytes, or its text.
 * @returns `undefined` when there is none, and for one of another version or shape.
 */
export function parseNote<Shape extends v.GenericSchema>(
  shape: Shape,
  note: Uint8Array | string | undefined,
): v.InferOutput<Shape> | undefined {
  if (note === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(typeof note === "string" ? note : new TextDecoder().decode(note));
  } catch {
    return undefined;
  }
  const { version } = (value ?? {}) as { readonly version?: unknown };
  if (version !== VERSION) return undefined;
  const { success, output } = v.safeParse(shape, value);
  return success ? output : undefined;
}
