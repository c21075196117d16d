import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AgentError } from "#src/base/errors.ts";
import { assertStep, objectNamed, parseObject } from "#src/queue/intent.ts";
import { keptError } from "#src/queue/kept-error.ts";

const HEX = "0123456789abcdef0123456789abcdef";

suite("names of store objects", () => {
  for (const [place, name] of [
    ["key", "renewal"],
    ["key", "renewal-7"],
    ["note", "push.12-chain"],
    ["note", "trust-8640000000000000"],
    ["generation", "8"],
  ] as const) {
    test(`${place}/${name}`, () => assert.equal(objectNamed(place, name), `${place}/${name}`));
  }

  for (const [text, why] of [
    [`key/${HEX}`, "a digest or a token in hexadecimal"],
    ["key/eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJkIn0.c2ln", "a one-time token"],
    ["key/-----BEGIN PRIVATE KEY-----", "PEM"],
    ["note/Zm9vYmFyYmF6cXV4MTIz", "base64"],
    ["note/a-b-c-d-e", "five words: pieces of something longer"],
    ["key/../state-0", "a way out"],
    ["file/etc", "no place in the store"],
    ["generation/0", "no number of a generation"],
    ["key/ ", "nothing"],
    [`key/${"abcdefghijkl-".repeat(3)}abc`, "too long"],
  ] as const) {
    test(`not ${why}`, () => {
      assert.throws(
        () => parseObject(text),
        (error: unknown) => {
          assert.ok(error instanceof AgentError && error.code === "ERR_QUEUE_CONTENT");
          assert.ok(!error.message.includes(text), "and is not repeated in the message");
          return true;
        },
      );
    });
  }
});

suite("steps", () => {
  for (const step of ["begin", "make-key", "request"]) {
    test(step, () => assert.doesNotThrow(() => assertStep(step)));
  }
  for (const step of ["", "Request", HEX, "step 1", "a".repeat(25), "averyverylongword"]) {
    test(`not ${JSON.stringify(step)}`, () =>
      assert.throws(() => assertStep(step), { code: "ERR_QUEUE_CONTENT" }));
  }
});

suite("what is kept of an error", () => {
  const token = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdWQiOiJodHRwczovL2NhIn0abcdefghi.x";
  const rows = [
    {
      error: new AgentError("ERR_INTERNAL", "the CA is busy"),
      kept: "ERR_INTERNAL: the CA is busy",
      why: "code and words",
    },
    {
      error: new Error(`secret ${HEX}`),
      kept: "ERR_INTERNAL: the attempt failed with a bug; see the log",
      why: "of a stranger's words nothing",
    },
    {
      error: "text",
      kept: "ERR_INTERNAL: the attempt failed with a bug; see the log",
      why: "of what is no error nothing",
    },
    {
      error: new AgentError("ERR_INTERNAL", `token ${token}`),
      kept: "ERR_INTERNAL: token [left out]",
      why: "no token",
    },
    {
      error: new AgentError("ERR_INTERNAL", "a\n\u001b[31mb"),
      kept: "ERR_INTERNAL: a [31mb",
      why: "no line end, no escape",
    },
    {
      error: new AgentError("ERR_INTERNAL", "was -----BEGIN EC PRIVATE KEY-----\nMHc"),
      kept: "ERR_INTERNAL: was [PEM left out]",
      why: "no PEM",
    },
  ];
  for (const { error, kept, why } of rows) test(why, () => assert.equal(keptError(error), kept));

  test("no more than 200 characters", () => {
    const long = new AgentError("ERR_INTERNAL", "a word ".repeat(100));
    assert.equal(keptError(long).length, 200);
  });
});
