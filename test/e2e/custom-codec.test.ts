/** The built program with the example codec of docs/examples, and one that misbehaves, over mutual TLS. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { after, before, suite, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { RawPeer, request } from "../fakes/memory-server.ts";
import { type CredentialFiles, makeSite, type Site } from "../fakes/site.ts";

const CBOR = resolve(import.meta.dirname, "../../docs/examples/cbor.mjs");
const HANGING = `export function register({ codec }) {
  codec({
    contentType: "application/x-hang",
    limits: { maxMs: 50 },
    read(bytes) { if (bytes[0] === 0) throw 7; for (;;); },
    write: () => new Uint8Array(),
  });
}`;

const cbor = { "Content-Type": "application/cbor", "Micro-Service": "meter" };
const hang = { "Content-Type": "application/x-hang", "Micro-Service": "meter" };
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

suite("codecs of handler modules in the built program", () => {
  let site: Site;
  let agent: AgentProcess;
  let credentials: CredentialFiles;
  const sockets: TLSSocket[] = [];

  before(async () => {
    site = await makeSite();
    credentials = await site.issue("meter-reader");
    const hanging = await site.write("hanging.mjs", HANGING);
    agent = await startAgent({
      site,
      config: `[[handlers]]\nmodule = "${CBOR}"\nservice = "meter"\n[[handlers]]\nmodule = "${hanging}"\n`,
    });
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await agent.stop();
    await site[Symbol.asyncDispose]();
  });

  function peer(): RawPeer {
    const [cert, key, ca] = [credentials.cert, credentials.key, credentials.ca].map((path) =>
      readFileSync(path),
    );
    const socket = connect({
      host: "127.0.0.1",
      port: Number(agent.listen.split(":").at(-1)),
      servername: "localhost",
      ...{ cert, key, ca },
    });
    sockets.push(socket);
    return new RawPeer(socket);
  }

  test("application/cbor is answered in application/cbor", async () => {
    const client = peer();
    client.send(request("Meter.Sum", hex("a1 67 73616d706c6573 82 01 02"), cbor));
    const reply = await client.reply();
    assert.equal(reply.error, undefined);
    assert.equal(reply.head.headers.get("content-type"), "application/cbor");
    assert.equal(Buffer.from(reply.bytes).toString("hex"), "a265636f756e7402" + "6373756d03");
  });

  test("a bad body is 400 with the reason; the connection serves on", async () => {
    const client = peer();
    client.send(request("Meter.Sum", hex("a1 67 73"), cbor));
    const { error } = await client.reply();
    assert.equal(error?.code, 400);
    assert.match(error?.detail ?? "", /application\/cbor: byte 2: 7 announced, 1 left/);
    client.send(request("Meter.Sum", '{"samples":[1]}', { "Micro-Service": "meter" }));
    assert.deepEqual(JSON.parse((await client.reply()).body), { count: 1, sum: 1 });
  });

  test("a body above the codec's own limit is 413, far below the agent's", async () => {
    const client = peer();
    client.send(request("Meter.Sum", Buffer.alloc(65_537, 0x80), cbor));
    assert.equal((await client.reply()).error?.code, 413);
  });

  test("a body of 24,990 wrong values is refused within the program's small heap", async () => {
    const client = peer();
    const json = { "Micro-Service": "meter" };
    client.send(request("Meter.Sum", `{"samples":[${Array(24_990).fill("{}").join(",")}]}`, json));
    const { error } = await client.reply();
    assert.equal(error?.code, 400);
    assert.match(error?.detail ?? "", /samples\[0\]: Invalid type: [^;]*$/);
    client.send(request("Meter.Sum", '{"samples":[2]}', json));
    assert.deepEqual(JSON.parse((await client.reply()).body), { count: 1, sum: 2 });
  });

  test("4 MiB of names are refused, and do not end the program", async () => {
    const client = peer();
    const long = "k".repeat(30);
    const members = Array.from({ length: 99_000 }, (_, n) => `"${long}${n}":0`);
    client.send(request("Agent.Echo", `{${members.join(",")}}`));
    assert.match((await client.reply()).error?.detail ?? "", /more than 25000 members/);
    client.send(request("Agent.Echo", `{${members.slice(0, 25_000).join(",")}}`));
    assert.match((await client.reply()).error?.detail ?? "", /has no such field/);
    client.send(request("Agent.Echo", "{}"));
    assert.equal((await client.reply()).error, undefined);
  });

  test("one that throws and one that hangs: 500, an event, and everybody else is served", async () => {
    const [bad, good] = [peer(), peer()];
    bad.send(request("Meter.Sum", Buffer.of(0), hang));
    assert.equal((await bad.reply()).error?.code, 500);
    bad.send(request("Meter.Sum", Buffer.of(1), hang));
    good.send(request("Meter.Sum", '{"samples":[4]}', { "Micro-Service": "meter" }));
    assert.equal((await bad.reply()).error?.code, 500);
    assert.deepEqual(JSON.parse((await good.reply()).body), { count: 1, sum: 4 });
    const hung = await agent.event("codec.failed", ({ kind }) => kind === "hung");
    assert.equal(hung["codec"], "application/x-hang");
    assert.match(String(hung["module"]), /hanging\.mjs$/);
    assert.equal(hung["failures"], 2);
    const threw = agent
      .log()
      .find(({ event, kind }) => event === "codec.failed" && kind === "threw");
    assert.equal(threw?.["reason"], "7 (a value, not an Error)");
  });
});
