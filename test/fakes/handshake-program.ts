/**
 * A process that shakes hands with itself and says how much the C heap takes. For `node --expose-gc` with
 * `MALLOC_ARENA_MAX=1`: then that heap is all in one mapping, and V8's is not in it.
 *
 *   handshake-program.ts SIDES ROUND ROUNDS
 *
 * `agent` connects our dialer to our listener: each connection comes in and goes out. `trial` has
 * material shake hands in memory, as a rotation does. `node` is a server and a client of Node alone, as it
 * comes: the tests must see it leak. Says one number of KiB after each round of that many handshakes.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { createServer, type TLSSocket } from "node:tls";
import { systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import { memoryHandshakeTrial } from "#src/transport/handshake-trial.ts";
import { TlsDialer } from "#src/transport/tls-dialer.ts";
import { HandSource, testPki } from "./certificates.ts";
import { dialTls, RecordingLog, startRig } from "./network-rig.ts";

const [, , sides = "", round = "0", rounds = "0"] = process.argv;
const pki = await testPki();
const intermediate = await pki.intermediate("Between");
const leaf = await pki.issue("device", { authority: intermediate });
const material = {
  ...(await pki.material("device")),
  chainPem: leaf.certificatePem + intermediate.certificatePem,
  key: leaf.keyPem,
};
const own = { kind: "tls", source: new HandSource(material), minVersion: "1.3" } as const;

const SIDES: Readonly<Record<string, () => Promise<() => Promise<unknown>>>> = {
  agent: async () => {
    const rig = await startRig({ ...own, verify: { kind: "enforce" } });
    return async () => {
      // a new one each time: nothing is resumed
      using dialer = new TlsDialer({
        security: { ...own, verify: "enforce" },
        network: systemNetwork,
        connectTimeoutMs: 5000,
        clock: systemClock,
        log: new RecordingLog(),
      });
      const target = { host: "127.0.0.1", port: rig.port, alpn: ["http/1.1"] };
      const { socket, principal } = await dialer.dial(target, new AbortController().signal);
      if (!principal.verified) throw new Error("the dialer did not verify its server");
      await ended(socket as TLSSocket);
      const handed = rig.handed.splice(0);
      if (!handed[0]?.principal.verified) throw new Error("the listener did not verify its peer");
      for (const each of handed) each.socket.destroy();
      rig.log.lines.length = 0;
    };
  },
  trial: async () => {
    const trial = memoryHandshakeTrial(systemClock);
    const { chainPem, key: tlsKey, trustBundlePem } = material;
    return async () => {
      const outcome = await trial.run({ chainPem, tlsKey, trustBundlePem });
      if (outcome.kind !== "done") throw new Error(JSON.stringify(outcome));
    };
  },
  node: async () => {
    const { chainPem: cert, key, trustBundlePem: ca } = material;
    const parts = { cert, key: key as string, ca };
    const server = createServer({ ...parts, requestCert: true, rejectUnauthorized: false });
    server.on("secureConnection", (socket) => socket.on("data", () => socket.end("bye")));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return async () => {
      const socket = await dialTls(port, { ...parts, servername: "localhost" });
      await ended(socket);
    };
  },
};

/** Says a word, so that the server has seen the handshake, and closes on the answer. */
async function ended(socket: TLSSocket): Promise<void> {
  socket.write("hi");
  await once(socket, "data");
  socket.destroy();
}

/** The C heap, KiB. */
function heapKib(): number {
  const [, rest = ""] = readFileSync("/proc/self/smaps", "utf8").split("[heap]\n");
  return Number(/^Rss:\s+(\d+)/m.exec(rest)?.[1]);
}

async function collect(): Promise<void> {
  for (let times = 0; times < 3; times += 1) {
    globalThis.gc?.();
    for (let turns = 0; turns < 20; turns += 1) await turn();
  }
}

const shake = await SIDES[sides]?.();
if (shake === undefined || globalThis.gc === undefined) throw new Error("usage: see the comment");
for (let at = 0; at < Number(rounds); at += 1) {
  for (let count = 0; count < Number(round); count += 1) {
    await shake();
    // as often as in an agent that does little else
    if (count % 50 === 0) await collect();
  }
  await collect();
  process.stdout.write(`${heapKib()}\n`);
}
process.exit(0);
