/** Scrapers that are slow, greedy or hostile: each is turned away, and the agent's peers notice nothing. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { suite, test } from "node:test";
import { systemClock } from "#src/host/clock.ts";
import { MetricsServer } from "#src/sidecar/metrics-server.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { RecordingLog } from "../fakes/recording-log.ts";
import { callJson, makeGround } from "../fakes/running-agent.ts";

const GET = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
const TEXT = "a 1\n";

interface Rig extends AsyncDisposable {
  readonly port: number;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  /** How often the figures were put together. */
  built(): number;
}

async function rig(text: () => string = () => TEXT): Promise<Rig> {
  const [clock, log] = [new FakeClock(), new RecordingLog()];
  let built = 0;
  const server = new MetricsServer({
    ...{ place: { kind: "tcp", host: "127.0.0.1", port: 0 }, clock, log },
    text: () => {
      built += 1;
      return text();
    },
  });
  await server.start(new AbortController().signal);
  const port = Number(server.address?.split(":")[1]);
  return {
    ...{ port, clock, log, built: () => built },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** However it ends: a reset is an answer, too. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

/** All that comes back until the server closes. */
async function answer(port: number, bytes: string): Promise<string> {
  const socket = await open(port);
  let text = "";
  socket.setEncoding("latin1").on("data", (part: string) => {
    text += part;
  });
  const closed = closeOf(socket);
  socket.write(bytes, "latin1");
  await closed;
  return text;
}

suite("a request that is not GET /metrics", () => {
  const rows = [
    { bytes: GET, starts: "HTTP/1.1 200 OK", why: "as a control" },
    { bytes: GET.replace("/metrics", "/metrics?a=b"), starts: "HTTP/1.1 200", why: "a query" },
    { bytes: GET.replace("/metrics", "/"), starts: "HTTP/1.1 404", why: "another path" },
    { bytes: GET.replace("/metrics", "/metrics/"), starts: "HTTP/1.1 404", why: "nearly" },
    {
      bytes: GET.replace("/metrics", "/v1/status"),
      starts: "HTTP/1.1 404",
      why: "the control API",
    },
    { bytes: GET.replace("GET", "HEAD"), starts: "HTTP/1.1 405", why: "HEAD" },
    {
      bytes: "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nabc",
      starts: "HTTP/1.1 405",
      why: "a body that never ends",
    },
    {
      bytes: `GET /metrics HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(8_000)}\r\n\r\n`,
      starts: "HTTP/1.1 431",
      why: "headers of 8 KB",
    },
    { bytes: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", starts: "HTTP/1.1 400", why: "TLS" },
    { bytes: "\r\n\u0000\u0000 nonsense", starts: "HTTP/1.1 400", why: "noise" },
    { bytes: "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", starts: "", why: "a proxy's" },
    {
      bytes: GET.replace("\r\n\r\n", "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
      starts: "HTTP/1.1 200",
      why: "an upgrade is not offered",
    },
  ];
  for (const { bytes, starts, why } of rows) {
    test(`${why}: ${starts === "" ? "closed" : starts}`, async () => {
      await using server = await rig();
      const text = await answer(server.port, bytes);
      assert.ok(text.startsWith(starts), text.slice(0, 80));
      if (starts === "") assert.equal(text, "");
      const good = await answer(server.port, GET);
      assert.ok(good.endsWith(TEXT), "and the next one is served");
      assert.equal(server.log.lines.length, 1, "nothing is logged but the start");
    });
  }
});

suite("too much", () => {
  test("500 requests in one go: one is answered, and the connection closed", async () => {
    await using server = await rig();
    const text = await answer(server.port, GET.repeat(500));
    assert.equal(text.split("HTTP/1.1 200").length - 1, 1);
    assert.equal(server.built(), 1);
  });

  test("asked again and again: figures are put together once a second", async () => {
    await using server = await rig();
    for (let n = 0; n < 50; n += 1) await answer(server.port, GET);
    assert.equal(server.built(), 1);
    await server.clock.advance(999);
    await answer(server.port, GET);
    assert.equal(server.built(), 1);
    await server.clock.advance(1);
    await answer(server.port, GET);
    assert.equal(server.built(), 2);
  });

  test("a bug in the figures: 500, and the log has it", async () => {
    await using server = await rig(() => {
      throw new TypeError("no such member");
    });
    const text = await answer(server.port, GET);
    assert.match(text, /^HTTP\/1\.1 500 /);
    assert.doesNotMatch(text, /no such member/);
    assert.ok(server.log.of("metrics.failed").length === 1);
  });
});

suite("the end", () => {
  // Without it the end would wait until the silent one's time is over.
  test("does not wait for one that says nothing", { timeout: 3_000 }, async () => {
    const server = await rig();
    const silent = await open(server.port);
    silent.write("GET /metrics HTTP/1.1\r\n");
    const closed = closeOf(silent);
    await answer(server.port, GET);
    await server[Symbol.asyncDispose]();
    await closed;
  });
});

suite("a whole agent with scrapers that hang", () => {
  test("holds 8 at most, is rid of them in seconds, and serves its peers meanwhile", async () => {
    await using ground = await makeGround(
      '[rpc]\nlisten = "127.0.0.1:0"\n[metrics]\nlisten = "127.0.0.1:0"\n',
    );
    await using _ = await ground.start();
    const { address } = await ground.event("metrics.listening");
    const port = Number(String(address).split(":")[1]);
    const began = systemClock.monotonicMs();
    const silent = await Promise.all(Array.from({ length: 40 }, () => open(port)));
    const drops = silent.map((socket, at) => {
      if (at % 2 === 0) socket.write("GET /metrics HTTP/1.1\r\nHost:");
      socket.resume();
      return closeOf(socket);
    });
    // 32 of them found no place and are closed at once; a call of a peer is not held up by the others.
    await Promise.all([callEcho(), firstOf(drops, 32)]);
    const early = systemClock.monotonicMs() - began;
    assert.ok(silent.filter(({ destroyed }) => !destroyed).length <= 8);
    await Promise.all(drops);
    assert.ok(systemClock.monotonicMs() - began >= 4_000, "the last ones were given their time");
    assert.ok(early < 4_000, `${early} ms`);
    assert.match(await answer(port, GET), /^microedge_calls_total 1$/m);

    async function callEcho(): Promise<void> {
      assert.equal(await callJson(ground.admin, "microedge", "Agent.Echo", "{}"), "{}");
    }
  });

  test("one that asks and never reads costs its own connection only", async () => {
    await using ground = await makeGround(
      '[rpc]\nlisten = "127.0.0.1:0"\n[metrics]\nlisten = "127.0.0.1:0"\n',
    );
    const agent = await ground.start();
    const { address } = await ground.event("metrics.listening");
    const port = Number(String(address).split(":")[1]);
    const deaf = await open(port);
    deaf.pause();
    deaf.write(GET);
    assert.match(await answer(port, GET), /^microedge_state\{state="ready"\} 1$/m);
    await agent.stop();
    assert.equal(ground.log.at(-1)?.event, "agent.stopped", "and does not hold the end up");
    deaf.destroy();
  });
});

/** Resolves when so many of them have. */
function firstOf(waits: readonly Promise<unknown>[], count: number): Promise<void> {
  return new Promise((resolve) => {
    let done = 0;
    for (const wait of waits) {
      void wait.then(() => {
        done += 1;
        if (done === count) resolve();
      });
    }
  });
}
