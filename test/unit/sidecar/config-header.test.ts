import assert from "node:assert/strict";
import { linkSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { assertMeant, CONFIG_HEADER } from "#src/sidecar/config-header.ts";

const directory = mkdtempSync(join(tmpdir(), "config-header-"));
after(() => rmSync(directory, { recursive: true }));
const at = (name: string): string => join(directory, name);
writeFileSync(at("größe.toml"), "");
writeFileSync(at("b.toml"), "");
symlinkSync(at("größe.toml"), at("link.toml"));
linkSync(at("größe.toml"), at("hard.toml"));

const ROWS = [
  { asked: "größe.toml", inUse: "größe.toml", good: true, why: "the same path" },
  { asked: "link.toml", inUse: "größe.toml", good: true, why: "a link to it" },
  { asked: "größe.toml", inUse: "link.toml", good: true, why: "the agent was started by the link" },
  { asked: "hard.toml", inUse: "größe.toml", good: true, why: "another name of the file" },
  { asked: "gone.toml", inUse: "gone.toml", good: true, why: "deleted since, and still the one" },
  { asked: "b.toml", inUse: "größe.toml", good: false, why: "another file" },
  { asked: "gone.toml", inUse: "größe.toml", good: false, why: "nothing is there" },
] as const;

suite("the configuration that a question is about", () => {
  for (const { asked, inUse, good, why } of ROWS) {
    test(`${asked} asked of an agent with ${inUse}: ${why}`, async () => {
      const headers = { [CONFIG_HEADER]: encodeURIComponent(at(asked)) };
      const check = assertMeant(headers, at(inUse));
      if (good) await check;
      else await assert.rejects(check, { code: "ERR_CONTROL_UNREACHABLE" });
    });
  }

  test("a question without it is for whoever listens", () => assertMeant({}, at("b.toml")));

  test("what is not URI-encoded is refused", () =>
    assert.rejects(assertMeant({ [CONFIG_HEADER]: "%" }, at("b.toml")), {
      code: "ERR_CONTROL_REQUEST",
    }));
});
