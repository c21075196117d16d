import assert from "node:assert/strict";
import { test } from "node:test";
import { replyFailure } from "#src/issuers/reply-failures.ts";
import type { IssuerReply } from "#src/transport/issuer-reply.ts";

const CASES: readonly {
  readonly why: string;
  readonly requestId?: string;
  readonly fix: string;
}[] = [
  {
    why: "it names one",
    requestId: "r-1",
    fix: "look into the authority's log for the request id",
  },
  { why: "it names none", fix: "look into the authority's log" },
];
for (const { why, requestId, fix } of CASES) {
  test(`a failing authority, and its request id: ${why}`, () => {
    const reply = { status: 500, requestId, retryAfterMs: undefined } as unknown as IssuerReply;
    const { fields, code } = replyFailure(reply, "ca.test", "certificate");
    assert.deepEqual([code, fields["fix"]], ["ERR_ISSUER_BUSY", fix]);
  });
}
