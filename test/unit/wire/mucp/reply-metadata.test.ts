import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { replyMetadata } from "#src/wire/mucp/metadata.ts";

const FIRST = [
  ["Authorization", "secret"],
  ["trace", "7"],
] as const;

suite("replyMetadata", () => {
  for (const { why, headers, left } of [
    {
      why: "go-micro's copy of the first request is left out, whatever case it went out in",
      headers: { accept: "application/json", authorization: "secret", trace: "7" },
      left: {},
    },
    {
      why: "what the server itself adds stays",
      headers: { accept: "application/json", authorization: "secret", region: "roof" },
      left: { region: "roof" },
    },
    {
      why: "a server that copies nothing may answer under the same name",
      headers: { trace: "8", "content-type": "application/json" },
      left: { trace: "8" },
    },
  ]) {
    test(why, () => {
      const metadata = replyMetadata(new Map(Object.entries(headers)), FIRST);
      assert.deepEqual(Object.fromEntries(metadata), left);
    });
  }
});
