/**
 * One rate limiter by itself, in a process of its own: `node --expose-gc limiter-run.ts NAME [TAKES
 * ROUNDS]`. Prints one JSON object, as `bench-limiter` does for Go.
 *
 * Bytes are live heap and buffers after the first take of each client, whose names are held already. CPU
 * is this process's own, of takes in random order; the median of the rounds.
 */
import { RateLimiter, TokenBucket } from "limiter";
import { SILENT } from "#src/base/log.ts";
import type { Principal } from "#src/base/principal.ts";
import { BucketKey, BucketTable } from "#src/guard/bucket-table.ts";
import { CallLimits } from "#src/guard/call-limits.ts";
import { type Pace, paceOf } from "#src/guard/gcra.ts";
import { KeyedHash } from "#src/guard/keyed-hash.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemRandom } from "#src/host/random.ts";
import { median } from "./figure.ts";

/** What one take of client number `client` says. */
type Take = (client: number) => boolean;

interface Contender {
  /** Nearly all takes are allowed: 1000 a second, burst 2000. */
  make(names: readonly string[]): Take;
  /** Nearly none; not every library lets a limit be changed. */
  makeStrict?(names: readonly string[]): Take;
}

const CLIENTS = 100_000;
/** What a device holds open at once. */
const CONNECTIONS = 200;
const PEER: Principal = {
  verified: true,
  cn: "",
  spiffeId: undefined,
  dnsNames: [],
  ipAddresses: [],
  certificate: {
    subject: "CN=x",
    issuer: "CN=ca",
    notBefore: 0,
    notAfter: 1,
    serial: "01",
    fingerprint: "ab",
  },
  trustDomains: [""],
  roles: [],
  remote: "127.0.0.1:1",
  refusal: undefined,
};
const OPEN = paceOf({ rate: 1000, burst: 2000, waitMs: 0 });
const STRICT = paceOf({ rate: 0.001, burst: 1, waitMs: 0 });
/** One look at the clock serves all calls that one read of a socket brings. */
const CALLS_PER_READ = 64;

function takeAt(table: BucketTable, slot: number, pace: Pace, now: number): boolean {
  if (table.untilFit(slot, pace, now) > 0) return false;
  table.spend(slot, pace, now);
  return true;
}

function hashed(names: readonly string[], pace: Pace): Take {
  const hash = KeyedHash.random(systemRandom);
  const table = new BucketTable(CLIENTS);
  return (client) => {
    const now = performance.now();
    const { high, low } = hash.of(names[client] ?? "");
    return takeAt(table, table.locate(high, low, now), pace, now);
  };
}

function kept(names: readonly string[], pace: Pace): Take {
  const hash = KeyedHash.random(systemRandom);
  const table = new BucketTable(CLIENTS);
  const keys = names.map((name) => new BucketKey(hash.of(name)));
  let now = 0;
  let reads = 0;
  return (client) => {
    if (reads++ % CALLS_PER_READ === 0) now = performance.now();
    const key = keys[client];
    return key !== undefined && takeAt(table, table.find(key, now), pace, now);
  };
}

const CONTENDERS: Readonly<Record<string, Contender>> = {
  hashed: {
    make: (names) => hashed(names, OPEN),
    makeStrict: (names) => hashed(names, STRICT),
  },
  kept: {
    make: (names) => kept(names, OPEN),
    makeStrict: (names) => kept(names, STRICT),
  },
  admission: {
    make(names) {
      const limits = new CallLimits(
        { trackedPeers: 1024, clock: systemClock, random: systemRandom },
        {
          perPeer: { rate: 100_000, burst: 1_000_000, waitMs: 0 },
          agent: undefined,
          perEndpoint: [],
          perPeerEndpoint: [],
          maxCalls: 1024,
          maxCallsPerPeer: 0,
        },
      );
      const { signal } = new AbortController();
      const calls = names.slice(0, CONNECTIONS).map((spiffeId) => ({
        service: "microedge",
        endpoint: "Agent.Echo",
        kind: "read" as const,
        peer: { ...PEER, spiffeId },
        deadlineAt: undefined,
        signal,
        log: SILENT,
      }));
      return (client) => {
        const call = calls[client % CONNECTIONS];
        if (call === undefined || limits.admit(call) !== undefined) return false;
        limits.finished(call);
        return true;
      };
    },
  },
  "npm-token-bucket": {
    make(names) {
      const buckets = new Map<string, TokenBucket>();
      return (client) => {
        const name = names[client] ?? "";
        let bucket = buckets.get(name);
        if (bucket === undefined) {
          bucket = new TokenBucket({ bucketSize: 2000, tokensPerInterval: 1000, interval: 1000 });
          bucket.content = 2000; // it starts empty
          buckets.set(name, bucket);
        }
        return bucket.tryRemoveTokens(1);
      };
    },
  },
  "npm-rate-limiter": {
    make(names) {
      const limiters = new Map<string, RateLimiter>();
      return (client) => {
        const name = names[client] ?? "";
        let limiter = limiters.get(name);
        if (limiter === undefined) {
          limiter = new RateLimiter({ tokensPerInterval: 1000, interval: 1000 });
          limiters.set(name, limiter);
        }
        return limiter.tryRemoveTokens(1);
      };
    },
  },
};

const [name = "", takes = "2000000", rounds = "5"] = process.argv.slice(2);
const contender = CONTENDERS[name];
const { gc } = globalThis as { gc?: () => void };
if (contender === undefined || gc === undefined) {
  console.error(`node --expose-gc limiter-run.ts ${Object.keys(CONTENDERS).join("|")}`);
  process.exit(2);
}

// through a buffer: pieces of text would be joined by the first who reads them, at his expense
const names = Array.from({ length: CLIENTS }, (_, at) =>
  Buffer.from(`spiffe://fleet.example/gateway/${String(at).padStart(6, "0")}`).toString("latin1"),
);
const order = new Uint32Array(Number(takes));
let state = 1;
for (let at = 0; at < order.length; at++) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  order[at] = Math.floor((state / 2 ** 32) * CLIENTS);
}

const before = liveBytes();
const take = contender.make(names);
for (let client = 0; client < CLIENTS; client++) take(client);
const bytesPerClient = (liveBytes() - before) / CLIENTS;
const open = measure(take);
const { makeStrict } = contender;
const strict = makeStrict === undefined ? undefined : measureStrict(makeStrict(names));
console.log(
  JSON.stringify({
    bytesPerClient,
    nsPerTake: open.ns,
    nsPerRefusal: strict,
    allowed: open.allowed,
  }),
);

function measureStrict(refusing: Take): number {
  for (let client = 0; client < CLIENTS; client++) refusing(client);
  const { ns, allowed } = measure(refusing);
  if (allowed > 0) throw new Error(`${allowed} takes were allowed that should not have been`);
  return ns;
}

function measure(run: Take): { ns: number; allowed: number } {
  let allowed = 0;
  const results = Array.from({ length: Number(rounds) }, () => {
    const start = process.cpuUsage();
    for (let at = 0; at < order.length; at++) if (run(order[at] as number)) allowed++;
    const { user, system } = process.cpuUsage(start);
    return ((user + system) * 1000) / order.length;
  });
  return { ns: median(results), allowed };
}

function liveBytes(): number {
  gc?.();
  gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
