/**
 * In TLS 1.3 a client has finished its handshake before the server has judged its certificate: the
 * refusal arrives in the first read of a call.
 */
import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { isAgentError } from "#src/base/errors.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import { systemRandom } from "#src/host/random.ts";
import { StaticRegistry } from "#src/registry/static-registry.ts";
import { Client } from "#src/rpc/client/client.ts";
import { TlsDialer } from "#src/transport/tls-dialer.ts";
import { HandSource, testPki } from "../fakes/certificates.ts";
import { startOpenssl } from "../fakes/network-openssl.ts";
import { RecordingLog } from "../fakes/network-rig.ts";

const pki = await testPki();
const other = await testPki("Other CA");

suite("a server that does not know our authority", async () => {
  const server = await startOpenssl(await pki.issue("x"), other.caPem);
  const log = new RecordingLog();
  const dialer = new TlsDialer({
    security: {
      kind: "tls",
      source: new HandSource(await pki.material("device")),
      verify: "enforce",
      minVersion: "1.3",
    },
    network: systemNetwork,
    connectTimeoutMs: 5000,
    clock: systemClock,
    log,
  });
  const addresses = [`127.0.0.1:${server.port}`];
  const client = new Client(
    {
      dialer,
      registry: new StaticRegistry([{ service: "greeter", addresses }]),
      clock: systemClock,
      random: systemRandom,
      log,
    },
    { retries: 0 },
  );
  after(async () => {
    await client.close();
    dialer[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });
  const refused = (thrown: unknown): boolean => {
    assert.ok(isAgentError(thrown));
    assert.equal(thrown.code, "ERR_TLS_HANDSHAKE");
    assert.match(
      thrown.message,
      /^127\.0\.0\.1:\d+: the peer refused our certificate: it does not know the authority/,
    );
    assert.match(String(thrown.fields["fix"]), /add our authority to the peer's trust bundle/);
    return true;
  };

  test("a call says so", () =>
    assert.rejects(client.call("greeter", "Greeter.Hello", {}), refused));

  test("a stream says so", async () => {
    const read = async (): Promise<void> => {
      const stream = await client.stream("greeter", "Greeter.Chat");
      for await (const message of stream) assert.fail(`an answer: ${JSON.stringify(message)}`);
    };
    await assert.rejects(read(), refused);
  });

  test("it is logged once, as a failed handshake with our certificate", () => {
    const lines = log.of("handshake.failed").map(({ fields }) => fields);
    assert.equal(lines.length, 1, JSON.stringify(lines));
    assert.deepEqual(
      [lines[0]?.["cause"], lines[0]?.["subject"], lines[0]?.["issuer"]],
      ["rejected-by-peer", "CN=device", "CN=Test CA"],
    );
  });
});
