import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import {
  formatStatement,
  MAX_STATEMENT_BYTES,
  parseFleetKey,
  parseStatement,
  statementBytes,
  verifyStatement,
} from "#src/identity/time/time-statement.ts";

interface Vectors {
  readonly fleetKey: string;
  readonly keyId: string;
  readonly good: readonly { why: string; signed: string; travels: string }[];
  readonly bad: readonly { why: string; verdict: string; travels: string }[];
}

const vectors: Vectors = JSON.parse(readFileSync("test/vectors/time/statements.json", "utf8"));
const key = parseFleetKey(vectors.fleetKey);

/** What becomes of a statement. */
function verdictOf(travels: string): string {
  try {
    return verifyStatement(parseStatement(travels), [key]);
  } catch (error) {
    assert.ok(isAgentError(error) && error.code === "ERR_TIME_STATEMENT", String(error));
    return "malformed";
  }
}

suite("time statements, by the vectors", () => {
  test("the key has the id that statements name", () => assert.equal(key.id, vectors.keyId));
  for (const { why, signed, travels } of vectors.good) {
    test(`good: ${why}`, () => {
      const statement = parseStatement(travels);
      assert.equal(new TextDecoder().decode(statementBytes(statement)), signed);
      assert.equal(verifyStatement(statement, [key]), "good");
      assert.equal(formatStatement(statement), travels);
    });
  }
  for (const { why, verdict, travels } of vectors.bad) {
    test(`${verdict}: ${why}`, () => assert.equal(verdictOf(travels), verdict));
  }
  test("malformed: too long to be looked at", () => {
    const [{ travels }] = vectors.good as [Vectors["good"][0]];
    assert.equal(verdictOf(`${travels}${" ".repeat(MAX_STATEMENT_BYTES)}`), "malformed");
  });
});

suite("fleet keys", () => {
  const bad = [
    { text: "", why: "nothing" },
    { text: vectors.fleetKey.replace("ed25519:", ""), why: "no kind" },
    { text: vectors.fleetKey.replace("ed25519", "rsa"), why: "another kind" },
    { text: vectors.fleetKey.slice(0, -2), why: "cut off" },
    { text: `${vectors.fleetKey} `, why: "a blank at the end" },
    { text: vectors.fleetKey.replace(/.=$/, "/="), why: "bits that base64 leaves unused" },
  ];
  for (const { text, why } of bad) {
    test(`refused: ${why}`, () =>
      assert.throws(() => parseFleetKey(text), { code: "ERR_TIME_STATEMENT" }));
  }
});
