/**
 * The identity is replaced again and again while Go clients call: on connections that stay open, on a new
 * connection for every call, and on streams that are open all the time. Nobody may notice.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { FULL } from "../fakes/needs.ts";
import { makeDevice, type RotatingDevice } from "../fakes/rotating-device.ts";
import { type CredentialFiles, makeSite, type Site } from "../fakes/site.ts";
import { OpenStream, underLoad } from "./go-load.ts";

const ROTATIONS = FULL ? 1000 : 50;
const STREAMS = 2;

suite(`${ROTATIONS} rotations under load from Go clients`, () => {
  let site: Site;
  let device: RotatingDevice;
  let peer: CredentialFiles;
  before(async () => {
    site = await makeSite();
    device = await makeDevice();
    peer = await site.issue("go-peer");
  });
  after(async () => {
    await device[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });

  test("no failed call, no broken stream", async (t) => {
    let serial = "";
    const rotate = async (): Promise<void> => {
      const leaf = await site.pki.issue("device");
      serial = parseCertificate(leaf.certificatePem).summary.serial;
      const content = await device.content(leaf, site.pki.caPem);
      await device.rotator.install(content, { origin: "renewal" });
    };
    await rotate();
    await using listener = await device.listen();
    const target = String(listener.address);
    const streams = Array.from({ length: STREAMS }, () => new OpenStream(target, peer));
    t.after(() => Promise.all(streams.map((stream) => stream.stop())));
    await Promise.all(streams.map((stream) => stream.beyond(0)));

    let rotations = 0;
    const rotating = async (): Promise<void> => {
      while (rotations < ROTATIONS) {
        await rotate();
        rotations += 1;
      }
    };
    const [load] = await Promise.all([
      underLoad(target, peer, () => rotations < ROTATIONS),
      rotating(),
    ]);

    assert.deepEqual(load.faults, []);
    assert.ok(load.kept > 0 && load.fresh > 0, JSON.stringify(load));
    // Each stream lived through every rotation, and still does.
    await Promise.all(streams.map((stream) => stream.beyond(stream.messages)));
    assert.deepEqual(
      streams.map(({ fault }) => fault),
      streams.map(() => undefined),
    );
    assert.equal(device.store.current?.number, ROTATIONS + 1);
    assert.equal(device.log.of("certificate.rotated").length, ROTATIONS + 1);
    assert.equal(device.source.leaf?.summary.serial, serial);
    const messages = streams.reduce((sum, stream) => sum + stream.messages, 0);
    t.diagnostic(
      `${rotations} rotations; ${load.kept} calls on kept connections, ${load.fresh} on new ones, ` +
        `${messages} messages on ${STREAMS} streams; 0 failed, 0 broken; ` +
        `${Math.round(device.store.wear.bytesWritten / (ROTATIONS + 1))} bytes and ` +
        `${(device.store.wear.syncs / (ROTATIONS + 1)).toFixed(1)} syncs a rotation`,
    );
  });
});
