import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { watchExpiry } from "#src/agent/expiry.ts";
import { claimByCrls } from "#src/agent/time-evidence.ts";
import { CrlShelf } from "#src/identity/revocation/crl-shelf.ts";
import { IssuerPool } from "#src/identity/revocation/issuer-pool.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { HandSource, testPki } from "../../fakes/certificates.ts";
import { makeCrl } from "../../fakes/crl-parts.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { timeRig } from "../../fakes/trusted-time.ts";

const NOW = Date.UTC(2026, 5, 1);
const DAY = 86_400_000;
const BUILT = Date.UTC(2026, 0, 1);
const own = await testPki("Own CA", NOW);
const foreign = await testPki("CA of another trust domain", NOW);

async function device(clockMs = 0) {
  const rig = await timeRig({ clock: new FakeClock(clockMs) });
  const pool = new IssuerPool();
  pool.trust([own, foreign].map(({ caPem }) => parseCertificate(caPem)));
  const time = () => rig.time.view();
  const shelf = new CrlShelf({ pool, time, breathe: async () => undefined });
  const source = new HandSource(await own.material("us", { days: 60 }));
  return { ...rig, shelf, source };
}

suite("what CRLs prove about the time", () => {
  const rows = [
    { why: "one of our own authority", by: own, atMs: NOW - DAY, floorMs: NOW - DAY },
    { why: "one of another trust domain proves nothing", by: foreign, atMs: NOW, floorMs: BUILT },
    {
      why: "one that its authority can't have signed in its life",
      by: own,
      atMs: NOW + 4000 * DAY,
      floorMs: BUILT,
    },
  ];
  for (const { why, by, atMs, floorMs } of rows) {
    test(why, async () => {
      const { shelf, source, time } = await device();
      await shelf.put(makeCrl(by.authority, { thisUpdate: atMs, nextUpdate: atMs + DAY }), "x");
      assert.equal(shelf.all().length, 1);
      claimByCrls(time, source, shelf.all());
      assert.equal(time.view().floorMs, floorMs);
    });
  }

  test("without a certificate there is no bundle to go by", async () => {
    const { shelf, source, time } = await device();
    await shelf.put(makeCrl(own.authority, { thisUpdate: NOW, nextUpdate: NOW + DAY }), "x");
    const absent = {
      current: source.current,
      absent: "none yet",
      subscribe: () => () => undefined,
    };
    claimByCrls(time, absent, shelf.all());
    claimByCrls(time, undefined, shelf.all());
    assert.equal(time.view().floorMs, BUILT);
  });
});

suite("the watch over the material in force", () => {
  test("looks anew when it is replaced, and ends with the agent", async () => {
    const rig = await device(NOW + 31 * DAY);
    const { source, clock, log, time, jumps } = rig;
    const deviceTime = { trusted: time, jumps, async [Symbol.asyncDispose]() {} };
    const watch = watchExpiry({ source, time: deviceTime, clock, log });
    assert.equal(log.of("certificate.expiry.warning").length, 0, "60 days warn at a quarter");
    source.replace(await own.material("us", { days: 40 }));
    const [warning] = log.of("certificate.expiry.warning");
    assert.deepEqual([warning?.["role"], warning?.["subject"]], ["leaf", "CN=us"]);
    const levels = watch.look().map(({ role, level }) => `${role} ${level}`);
    assert.deepEqual(levels, ["leaf warn", "anchor good"]);
    watch[Symbol.dispose]();
    source.replace(await own.material("us", { days: 32 }));
    assert.equal(log.of("certificate.expiry.critical").length, 0);
    await time[Symbol.asyncDispose]();
    assert.equal(clock.timers, 0);
  });
});
