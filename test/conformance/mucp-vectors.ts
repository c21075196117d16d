/**
 * The recorded connections between real go-micro peers (`test/vectors/go-micro`). A request file holds
 * everything that a client sent on one connection, a response file everything that came back.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";

const FOLDER = new URL("../vectors/go-micro/", import.meta.url);

export interface Vector {
  readonly file: string;
  readonly bytes: number;
  readonly go_micro: string;
  readonly transport: string;
  readonly content_type: string;
  readonly direction: string;
  readonly meaning: string;
  readonly interleaving?: readonly unknown[];
}

const MEMBERS = new Set([
  "file",
  "bytes",
  "go_micro",
  "transport",
  "content_type",
  "direction",
  "meaning",
  "interleaving",
]);

export interface Recording {
  /** `json-unary`; the same name for all versions. */
  readonly name: string;
  /** `v4.11.0`. */
  readonly version: string;
  readonly contentType: string;
  readonly request: Buffer;
  readonly response: Buffer;
}

/** Every entry of the index; fails on a member that is not known and on a file of another size. */
export function readIndex(): readonly Vector[] {
  const index = JSON.parse(readFileSync(new URL("index.json", FOLDER), "utf8"));
  const vectors: readonly Vector[] = index.vectors;
  const listed = new Set(vectors.map(({ file }) => file));
  for (const vector of vectors) {
    for (const member of Object.keys(vector)) assert.ok(MEMBERS.has(member), `unknown ${member}`);
    assert.equal(bytesOf(vector.file).length, vector.bytes, vector.file);
  }
  for (const file of readdirSync(FOLDER)) {
    assert.ok(file === "index.json" || listed.has(file), `${file} is not in the index`);
  }
  return vectors;
}

export function bytesOf(file: string): Buffer {
  return readFileSync(new URL(file, FOLDER));
}

/** The connections over one transport (`http` is mucp's), both directions together. */
export function recordings(transport: string): readonly Recording[] {
  return readIndex()
    .filter((vector) => vector.transport === transport && vector.file.endsWith(".request.bin"))
    .map(({ file, go_micro: version, content_type: contentType }) => {
      const stem = file.slice(0, -".request.bin".length);
      return {
        name: stem.replace(/^v\d-/, ""),
        version,
        contentType,
        request: bytesOf(file),
        response: bytesOf(`${stem}.response.bin`),
      };
    });
}
