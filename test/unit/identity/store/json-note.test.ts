import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { formatNote, parseNote } from "#src/identity/store/json-note.ts";

const SHAPE = v.object({ leaf: v.string(), at: v.optional(v.number()) });

const READABLE = [
  { members: { leaf: "a", at: 1 }, why: "as it was written" },
  { members: { leaf: "a" }, why: "what is not there stays so" },
  { members: { leaf: "a", at: undefined }, why: "undefined is not there either" },
];
for (const { members, why } of READABLE) {
  test(`a note is read as it was written: ${why}`, () => {
    const bytes = formatNote(members);
    const { leaf, at } = parseNote(SHAPE, bytes) ?? assert.fail("it can be read");
    assert.deepEqual({ leaf, at }, { at: undefined, ...members });
    assert.deepEqual(parseNote(SHAPE, new TextDecoder().decode(bytes)), parseNote(SHAPE, bytes));
  });
}

const UNREADABLE = [
  { note: undefined, why: "there is none" },
  { note: "", why: "empty" },
  { note: '{"version":1,"leaf":"a"', why: "cut off" },
  { note: "null", why: "JSON, but no document" },
  { note: '{"leaf":"a"}', why: "nobody knows of which version" },
  {
    note: '{"version":2,"leaf":"a"}',
    why: "of a later version, whose members may mean something else",
  },
  { note: '{"version":1,"leaf":5}', why: "of another shape" },
];
for (const { note, why } of UNREADABLE) {
  test(`a note that is not read: ${why}`, () => {
    assert.equal(parseNote(SHAPE, note), undefined);
    if (note !== undefined) assert.equal(parseNote(SHAPE, Buffer.from(note)), undefined);
  });
}
