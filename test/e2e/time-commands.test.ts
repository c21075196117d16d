/**
 * Trusted time from the command line of the built program: challenge, statement, and what is refused.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { Fleet } from "../fakes/trusted-time.ts";

const fleet = new Fleet();
const stranger = new Fleet(8);
let agent: AgentProcess;
before(async () => {
  agent = await startAgent({
    inStore: true,
    config: `[time]\nfleet_keys = ["${fleet.text}"]\n`,
  });
});
after(async () => {
  await agent[Symbol.asyncDispose]();
});

const json = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
  const { stdout } = await agent.microedge(...args, "--json");
  return JSON.parse(stdout) as Record<string, unknown>;
};

interface Challenge {
  readonly device: string;
  readonly epoch: string;
  readonly nonce: string;
}

/** @param lie How much later than what is signed the statement says that it is, milliseconds. */
async function signed(by: Fleet, lie = 0): Promise<string> {
  const { device, epoch, nonce } = (await json("time", "challenge")) as unknown as Challenge;
  const statement = { device, epoch, nonce, time: Date.now() };
  return by.sign({ ...statement, time: statement.time + lie }, statement);
}

const apply = (statement: string) => agent.run(["time", "apply", "-"], { stdin: statement });

suite("a time statement", () => {
  test("that answers the challenge is taken, once", async () => {
    const { device } = (await json("time", "challenge")) as unknown as Challenge;
    assert.equal(device, "microedge");
    const statement = await signed(fleet);
    const first = await apply(statement);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^floor +\d{4}-.*, by the fleet/);
    const again = await apply(statement);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /\(used-nonce\)\n +fix: draw a challenge/);
    assert.partialDeepStrictEqual(await json("time", "show"), {
      state: "authenticated",
      floorSource: "fleet",
      clockWrong: false,
      running: true,
    });
    assert.partialDeepStrictEqual((await json("status"))["time"], { floorSource: "fleet" });
    assert.ok(agent.log().some(({ event }) => event === "time.statement.accepted"));
  });

  const REFUSED: readonly {
    readonly why: string;
    readonly statement: () => Promise<string>;
    readonly code: number;
    readonly says: RegExp;
  }[] = [
    {
      why: "a key that is not configured",
      statement: () => signed(stranger),
      code: 1,
      says: /\(unknown-key\)\n +fix: have it signed by a key of time\.fleet_keys/,
    },
    {
      why: "another time than was signed",
      statement: () => signed(fleet, 9_000_000),
      code: 1,
      says: /\(bad-signature\)/,
    },
    { why: "no JSON", statement: async () => "now", code: 1, says: /\(malformed\)/ },
    { why: "nothing", statement: async () => " \n", code: 1, says: /stdin is empty/ },
    { why: "too much", statement: async () => "x".repeat(9_000), code: 1, says: /more than the/ },
  ];
  for (const { why, statement, code, says } of REFUSED) {
    test(`is refused: ${why}`, async () => {
      const ended = await apply(await statement());
      assert.equal(ended.code, code, ended.stderr);
      assert.match(ended.stderr, says);
      assert.match(ended.stderr, /code: ERR_TIME_STATEMENT/);
    });
  }

  test("in a file that is not there", async () => {
    const ended = await agent.microedge("time", "apply", "/nowhere/statement.json");
    assert.equal(ended.code, 74, ended.stderr);
    assert.match(ended.stderr, /\/nowhere\/statement\.json can't be read/);
  });
});

test("without fleet keys there is nothing to answer; a stopped agent's store still tells the time", async () => {
  await using plain = await startAgent({ inStore: true });
  const drawn = await plain.microedge("time", "challenge");
  assert.equal(drawn.code, 1);
  assert.match(drawn.stderr, /time\.fleet_keys names no key.*\n +fix: put the fleet's public key/);
  await plain.child.stop();
  const gone = await plain.microedge("time", "challenge");
  assert.equal(gone.code, 69, gone.stderr);
  const shown = await plain.microedge("time", "show", "--json");
  assert.equal(shown.code, 0, shown.stderr);
  assert.partialDeepStrictEqual(JSON.parse(shown.stdout), { running: false, clockWrong: false });
});
