/** Who pipelines without a pause is served in portions, in turn with all others. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { unary } from "#src/rpc/endpoint.ts";
import { SHARE_MESSAGES, Share, Turns } from "#src/rpc/server/turns.ts";
import { FakeClock, rounds } from "../../../fakes/fake-clock.ts";
import { MemoryServer, type RawPeer, request } from "../../../fakes/memory-server.ts";
import { anyJson } from "./echo-endpoints.ts";

const KIB = 1024;

/** Says in which order calls were served: one letter of the body each. */
function site(): { readonly server: MemoryServer; served(): string } {
  let order = "";
  const note = unary({
    kind: "read",
    request: anyJson,
    response: anyJson,
    handle: (body) => {
      order += String(body)[0];
      return body;
    },
  });
  return { server: new MemoryServer({ endpoints: { "A.Note": note } }), served: () => order };
}

function pile(letter: string, calls: number, bytes = 1): Buffer {
  const call = request("A.Note", JSON.stringify(letter.repeat(bytes)));
  return Buffer.concat(Array.from({ length: calls }, () => call));
}

function portions(order: string): string[] {
  return (order.match(/(.)\1*/g) ?? []).map((run) => `${run[0]}${run.length}`);
}

suite("turns", () => {
  test("one call waits for one portion of a pile that came before, not for the pile", async () => {
    const { server, served } = site();
    const [greedy, modest] = [server.connect(), server.connect()];
    greedy.send(pile("g", 200));
    modest.send(pile("m", 1));
    await rounds();
    assert.equal(served().indexOf("m"), SHARE_MESSAGES);
    assert.equal(served().length, 201, "and nothing of the pile is lost");
    assert.equal(greedy.waiting, 200);
  });

  test("piles take turns, each in the order in which it got in line", async () => {
    const { server, served } = site();
    const peers = [server.connect(), server.connect(), server.connect()];
    for (const [number, peer] of peers.entries()) peer.send(pile("abc".charAt(number), 40));
    await rounds();
    assert.deepEqual(portions(served()), [
      ...["a16", "b16", "c16"],
      ...["a16", "b16", "c16"],
      ...["a8", "b8", "c8"],
    ]);
  });

  test("large calls make smaller portions", async () => {
    const { server, served } = site();
    const [greedy, modest] = [server.connect(), server.connect()];
    greedy.send(pile("g", 12, 16 * KIB));
    modest.send(pile("m", 1));
    await rounds();
    assert.equal(served().indexOf("m"), 4, "each counts for five");
    assert.equal(served().length, 13);
  });

  test("several reads of one round share one portion", async () => {
    const { server, served } = site();
    const [greedy, modest] = [server.connect(), server.connect()];
    for (let read = 0; read < 20; read++) greedy.send(pile("g", 4));
    modest.send(pile("m", 1));
    await rounds();
    assert.ok(served().indexOf("m") <= SHARE_MESSAGES, served());
    assert.equal(served().length, 81);
  });

  test("a portion is answered in one write", async () => {
    const { server } = site();
    const peer = server.connect();
    peer.send(pile("p", SHARE_MESSAGES));
    await rounds();
    assert.equal(peer.waiting, SHARE_MESSAGES);
    assert.equal(peer.writes, 1);
  });

  test("what was read before a drain began, and waits in line, is answered", async () => {
    const { server } = site();
    const peer = server.connect();
    peer.stream.on("end", () => peer.stream.end());
    peer.send(pile("p", 2 * SHARE_MESSAGES));
    while (peer.waiting === 0) await new Promise(setImmediate);
    const drained = server.server.drain(60_000);
    await drained;
    const replies = await all(peer);
    assert.equal(replies.length, 2 * SHARE_MESSAGES);
    assert.deepEqual(new Set(replies), new Set([undefined, 503]), "with an answer or a refusal");
  });

  test("who leaves the line has no turn, and those behind lose none", async () => {
    const turns = new Turns(new FakeClock());
    let order = "";
    const shares = ["a", "b", "c"].map((letter) => {
      const share: Share = new Share(turns, { takeTurn: () => (order += letter) });
      share.spend(SHARE_MESSAGES * 4 * KIB);
      return share;
    });
    assert.ok(shares.every(({ over }) => over));
    shares[1]?.leave();
    await rounds();
    assert.equal(order, "ac");
  });
});

/** The codes of all replies that have come. */
async function all(peer: RawPeer): Promise<(number | undefined)[]> {
  const codes: (number | undefined)[] = [];
  while (peer.waiting > 0) codes.push((await peer.reply()).error?.code);
  return codes;
}
