/**
 * Texts that are longer than a note of the store may be, such as a chain with its trust bundle: one note
 * with what is whole about them, and as many notes with parts as it takes. The first one is written last and
 * removed first, so that what can be read is whole.
 */
import { createHash } from "node:crypto";
import * as v from "valibot";
import { AgentError } from "../base/errors.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { formatNote, parseNote } from "../identity/store/json-note.ts";

/** Below what the store takes for one note. Bytes. */
const PART_BYTES = 60 * 1024;
/** 1.2 MB: what a chain and a trust bundle may have (`GenerationContent`). */
const MAX_PARTS = 21;

type NoteStore = Pick<CertificateStore, "noteNames" | "readNote" | "writeNote" | "dropNote">;

const headShape = v.object({
  parts: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_PARTS)),
  /** Of the whole text. */
  sha256: v.string(),
  /** When it fits; then there are no parts. */
  text: v.optional(v.string()),
});

/** The name of the text that a note belongs to. */
export function longNoteOf(noteName: string): string {
  return noteName.replace(/\.\d+$/, "");
}

/**
 * Replaces a text as a whole. Power lost half-way leaves parts without a head, which nobody reads and
 * {@link dropLongNote} removes.
 *
 * @param name Without a dot and digits at its end.
 * @throws AgentError `ERR_STORE_CONTENT` when it is too long; `ERR_STORE_*`: whoever asked drops it.
 */
export async function writeLongNote(store: NoteStore, name: string, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const whole = formatNote({ parts: 0, sha256, text });
  if (whole.length <= PART_BYTES) return store.writeNote(name, whole);
  const parts = Math.ceil(bytes.length / PART_BYTES);
  if (parts > MAX_PARTS) {
    const words = `${bytes.length} bytes are more than ${MAX_PARTS * PART_BYTES}`;
    throw new AgentError("ERR_STORE_CONTENT", words);
  }
  for (let part = 0; part < parts; part++) {
    const piece = bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES);
    await store.writeNote(`${name}.${part + 1}`, piece);
  }
  await store.writeNote(name, formatNote({ parts, sha256 }));
}

/**
 * @returns `undefined` when it is not there.
 * @throws AgentError `ERR_STORE_CORRUPT` when a part of it is missing or damaged.
 */
export async function readLongNote(store: NoteStore, name: string): Promise<string | undefined> {
  const first = await store.readNote(name);
  if (first === undefined) return undefined;
  const head = parseNote(headShape, first);
  if (head === undefined) {
    throw new AgentError("ERR_STORE_CORRUPT", `this version can't read the note ${name}`);
  }
  const { parts, sha256, text } = head;
  if (text !== undefined) return text;
  const pieces: Uint8Array[] = [];
  for (let part = 1; part <= parts; part++) {
    pieces.push((await store.readNote(`${name}.${part}`)) ?? new Uint8Array(0));
  }
  const bytes = Buffer.concat(pieces);
  if (createHash("sha256").update(bytes).digest("hex") === sha256) return bytes.toString("utf8");
  throw new AgentError("ERR_STORE_CORRUPT", `a part of the note ${name} is missing or damaged`);
}

/** Removes it, and what is left of it. Does nothing when there is none. */
export async function dropLongNote(store: NoteStore, name: string): Promise<void> {
  await store.dropNote(name);
  for (const each of store.noteNames()) {
    if (each !== name && longNoteOf(each) === name) await store.dropNote(each);
  }
}
