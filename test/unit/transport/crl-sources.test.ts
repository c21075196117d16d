/** When lists by URL are asked for: by their dates, by what was kept, and by what their server wants. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { type BlobCache, openBlobCache } from "#src/host/blob-cache.ts";
import { systemFiles } from "#src/host/files.ts";
import { CrlShelf } from "#src/identity/revocation/crl-shelf.ts";
import { IssuerPool } from "#src/identity/revocation/issuer-pool.ts";
import { refuse } from "#src/identity/revocation/refusal.ts";
import type { TimeView } from "#src/identity/time/time-view.ts";
import { parseTrustBundle } from "#src/identity/trust-bundle.ts";
import { CrlSources } from "#src/transport/crl-sources.ts";
import type { HttpFetch } from "#src/transport/http-fetch.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";
import { startOpensslCa } from "../../fakes/openssl-ca.ts";
import { RecordingLog } from "../../fakes/recording-log.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const URL = "http://ca.example/site.crl";
const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

interface Rig {
  readonly sources: CrlSources;
  readonly clock: FakeClock;
  /** Bodies written to the cache. */
  readonly written: string[];
  /** What the next question meets; `undefined` gives the list. */
  failure: Error | undefined;
  asked: number;
  list: Uint8Array;
}

async function rigOf(
  { caPem, list }: { readonly caPem: string; readonly list: Uint8Array },
  { dir, refreshMs, seed = 1 }: { readonly dir: string; refreshMs: number; seed?: number },
): Promise<Rig> {
  const clock = new FakeClock(Date.now() + MINUTE);
  const pool = new IssuerPool();
  pool.trust(parseTrustBundle(caPem));
  const time = (): TimeView => ({
    ...{ state: "network", nowMs: clock.now(), floorMs: 0, clockWrong: false, words: undefined },
  });
  const shelf = new CrlShelf({ pool, time, breathe: async () => undefined });
  const real = openBlobCache(dir);
  const written: string[] = [];
  const cache: BlobCache = {
    ...real,
    write: (name, bytes) => {
      written.push(name);
      return real.write(name, bytes);
    },
  };
  const state = { asked: 0, failure: undefined as Error | undefined, list };
  const http: Pick<HttpFetch, "fetch"> = {
    fetch: async () => {
      state.asked += 1;
      if (state.failure !== undefined) throw state.failure;
      const mark = { etag: undefined, lastModified: undefined };
      return { kind: "body", bytes: state.list, mark };
    },
  };
  const sources = new CrlSources(
    {
      ...{ pool, shelf, http, files: systemFiles, cache, clock, time },
      ...{ random: new FakeRandom(seed), log: new RecordingLog(), fileIntervalMs: MINUTE },
      ...{ maxBytes: () => 100_000, refreshMs: () => refreshMs },
    },
    { news: () => undefined, due: () => undefined },
  );
  return Object.assign(state, { sources, clock, written });
}

suite("lists by URL", async () => {
  await using ca = await startOpensslCa(KEY);
  const { caPem } = ca;
  const list = Buffer.from(await ca.crl());
  const { signal } = new AbortController();

  async function inDirectory(run: (dir: string) => Promise<void>): Promise<void> {
    const dir = await mkdtemp(join(tmpdir(), "microedge-lists-"));
    try {
      await run(dir);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  test("are due at once without a copy, and then by their period; the same bytes are written once", () =>
    inDirectory(async (dir) => {
      const rig = await rigOf({ caPem, list }, { dir, refreshMs: HOUR });
      await rig.sources.configure([URL]);
      assert.equal(rig.sources.urlsDueInMs(), 0);
      assert.deepEqual(await rig.sources.askDue(signal), { asked: 1, failures: [] });
      assert.equal(rig.sources.urlsDueInMs(), HOUR);
      assert.deepEqual(await rig.sources.askDue(signal), { asked: 0, failures: [] });
      for (let hours = 0; hours < 20; hours++) {
        await rig.clock.advance(HOUR);
        await rig.sources.askDue(signal);
      }
      assert.equal(rig.asked, 21);
      assert.equal(rig.written.length, 1);
    }));

  test("a copy that was asked for within the period is not due before it is over", () =>
    inDirectory(async (dir) => {
      const first = await rigOf({ caPem, list }, { dir, refreshMs: HOUR });
      await first.sources.configure([URL]);
      await first.sources.askDue(signal);
      for (const [agoMs, dueInMs, why] of [
        [20 * MINUTE, 40 * MINUTE, "the rest of its period"],
        [2 * HOUR, 0, "its period is over"],
        [0, HOUR, "a clock that went back: a period at most"],
      ] as const) {
        const next = await rigOf({ caPem, list }, { dir, refreshMs: HOUR });
        next.sources.askedBefore(agoMs);
        await next.sources.configure([URL, "http://ca.example/new.crl"]);
        const [kept, fresh] = next.sources.all();
        const inMs = (dueAt = 0): number => Math.max(0, dueAt - next.clock.monotonicMs());
        assert.equal(inMs(kept?.dueAt), dueInMs, why);
        assert.equal(inMs(fresh?.dueAt), 0, "one without a copy is due");
      }
    }));

  test("one that ends is asked for some time before, not by all devices in one second", () =>
    inDirectory(async (dir) => {
      const moments = new Set<number>();
      for (let seed = 1; seed <= 8; seed++) {
        const rig = await rigOf({ caPem, list }, { dir, refreshMs: 365 * DAY, seed });
        await rig.sources.configure([URL]);
        await rig.sources.askDue(signal);
        const ends = rig.sources.all()[0]?.inForce[0]?.nextUpdate ?? 0;
        const aheadMs = ends - rig.clock.now() - (rig.sources.urlsDueInMs() ?? 0);
        assert.ok(aheadMs >= 30 * MINUTE && aheadMs <= 45 * MINUTE, `${aheadMs} ms ahead`);
        moments.add(aheadMs);
      }
      assert.ok(moments.size > 4, "spread");
    }));

  test("a server that wants to be left alone is, and counts as failed until then", () =>
    inDirectory(async (dir) => {
      const rig = await rigOf({ caPem, list }, { dir, refreshMs: HOUR });
      await rig.sources.configure([URL]);
      const traits = { answered: true, retryAfterMs: 10 * MINUTE };
      rig.failure = Object.assign(refuse("fetch", "the server answers HTTP 503"), traits);
      const { failures } = await rig.sources.askDue(signal);
      assert.equal(failures[0]?.restMs, 10 * MINUTE);
      rig.failure = undefined;
      await rig.clock.advance(9 * MINUTE);
      const again = await rig.sources.askDue(signal);
      assert.equal(again.failures[0]?.restMs, MINUTE, "it still counts as failed");
      assert.equal(rig.asked, 1);
      await rig.clock.advance(MINUTE);
      assert.deepEqual(await rig.sources.askDue(signal), { asked: 1, failures: [] });
      assert.equal(rig.asked, 2);
    }));
});
