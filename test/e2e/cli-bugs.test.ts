/**
 * What a bug does to the running agent (`microedge help run`): an exception ends it with a code by which
 * its supervisor knows, a forgotten promise does not.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { makeSite } from "../fakes/site.ts";

async function agentWith(handle: string): Promise<AgentProcess> {
  const site = await makeSite();
  await site.write(
    "bug.mjs",
    `export function register({ unary, schema: s }) {
      unary("Bug.Trip", { kind: "read", request: s.object({}), response: s.object({}), handle: () => { ${handle}; return {}; } });
    }`,
  );
  return startAgent({ site, config: '[[handlers]]\nmodule = "bug.mjs"\nservice = "bug"' });
}

test("a promise that nobody waited for is logged with its stack; the agent goes on", async () => {
  await using agent = await agentWith('Promise.reject(new Error("forgotten"))');
  assert.equal((await agent.microedge("call", "bug", "Bug.Trip")).code, 0);
  const line = await agent.event("agent.rejection.unhandled");
  assert.match(String(line["stack"]), /forgotten[\s\S]*bug\.mjs/);
  assert.equal((await agent.microedge("call", "microedge", "Agent.Echo")).code, 0);
  assert.equal((await agent.stop()).code, 0);
  await agent.site[Symbol.asyncDispose]();
});

test("an exception that nobody caught is logged with its stack and ends the agent: exit code 70", async () => {
  await using agent = await agentWith('setTimeout(() => { throw new Error("too late"); }, 50)');
  assert.equal((await agent.microedge("call", "bug", "Bug.Trip")).code, 0);
  assert.equal((await agent.child.ended).code, 70);
  const line = await agent.event("agent.failed");
  assert.match(String(line["stack"]), /too late[\s\S]*bug\.mjs/);
  await agent.site[Symbol.asyncDispose]();
});
