/** Fetching over HTTPS: the trust bundle vouches for the server, or nothing is sent. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createPlain } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, suite, test } from "node:test";
import { systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import { HttpFetch } from "#src/transport/http-fetch.ts";
import { type ProxySettings, parseProxy } from "#src/transport/proxy-settings.ts";
import { probe } from "#src/transport/tls-probe.ts";
import { testPki } from "../fakes/certificates.ts";
import { FakeNetwork, startProxy } from "../fakes/network-proxy.ts";

suite("fetching a list over HTTPS", async () => {
  const pki = await testPki();
  const stranger = await testPki();
  const leaf = await pki.issue("localhost");
  const asked: string[] = [];
  const server = createServer(
    { cert: leaf.certificatePem, key: leaf.keyPem },
    (request, response) => {
      asked.push(request.url ?? "");
      response.end("list");
    },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const fetch = (
    ca: string,
    url: string,
    signal = new AbortController().signal,
    proxy?: ProxySettings,
  ) =>
    new HttpFetch({
      network: systemNetwork,
      clock: systemClock,
      proxy,
      trustBundlePem: () => ca,
    }).fetch({ url, maxBytes: 100, timeoutMs: 3_000 }, signal);

  for (const host of ["127.0.0.1", "localhost"]) {
    test(`from ${host}, which the bundle vouches for`, async () => {
      const reply = await fetch(pki.caPem, `https://${host}:${port}/a?b=c`);
      assert.equal(reply.kind === "body" && Buffer.from(reply.bytes).toString(), "list");
      assert.equal(asked.at(-1), "/a?b=c");
    });
  }

  test("from a server of another authority: nothing is asked", async () => {
    const had = asked.length;
    await assert.rejects(fetch(stranger.caPem, `https://127.0.0.1:${port}/`), {
      code: "ERR_REVOCATION_SOURCE",
    });
    assert.equal(asked.length, had);
  });

  test("a port where nobody listens, and an abort", async () => {
    await assert.rejects(
      fetch(pki.caPem, "http://127.0.0.1:9/"),
      /127.0.0.1:9 refused the connection: nothing listens there/,
    );
    const stop = new AbortController();
    const fetched = fetch(pki.caPem, `https://127.0.0.1:${port}/`, stop.signal);
    const reason = new Error("enough");
    stop.abort(reason);
    await assert.rejects(fetched, reason);
  });

  test("through a proxy, which alone knows the name; what no_proxy names goes past it", async () => {
    await using proxy = await startProxy(() => undefined, { localhost: "127.0.0.1" });
    const settings = parseProxy(`http://127.0.0.1:${proxy.port}`, ["127.0.0.1"]);
    const signal = new AbortController().signal;
    const reply = await fetch(pki.caPem, `https://localhost:${port}/p`, signal, settings);
    assert.equal(reply.kind === "body" && Buffer.from(reply.bytes).toString(), "list");
    assert.match(proxy.requests.join(), new RegExp(`^CONNECT localhost:${port} `));
    await fetch(pki.caPem, `https://127.0.0.1:${port}/q`, signal, settings);
    assert.equal(proxy.requests.length, 1);
  });

  test("a proxy that refuses is named, and what it says", async () => {
    await using proxy = await startProxy(() => "HTTP/1.1 403 Forbidden\r\n\r\n");
    const settings = parseProxy(`http://127.0.0.1:${proxy.port}`);
    await assert.rejects(
      fetch(pki.caPem, `http://localhost:${port}/`, new AbortController().signal, settings),
      /proxy 127.0.0.1:\d+ refused a tunnel to localhost:\d+: 403 Forbidden/,
    );
  });
});

suite("a list's server that is asked plainly", async () => {
  const answers: { status: number; headers: Record<string, string>; body: string }[] = [];
  const server = createPlain((_, response) => {
    const { status, headers, body } = answers.shift() ?? { status: 200, headers: {}, body: "" };
    response.writeHead(status, headers).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { signal } = new AbortController();
  const http = new HttpFetch({
    ...{ network: systemNetwork, clock: systemClock, trustBundlePem: () => "" },
  });
  const request = { url: `http://127.0.0.1:${port}/`, maxBytes: 100, timeoutMs: 3_000 };

  for (const { status, header, retryAfterMs, why } of [
    { status: 503, header: "120", retryAfterMs: 120_000, why: "seconds" },
    { status: 429, header: undefined, retryAfterMs: undefined, why: "none" },
    { status: 503, header: "soon", retryAfterMs: undefined, why: "nonsense is none" },
  ]) {
    test(`Retry-After of ${why} is passed on, and that somebody answered`, async () => {
      const headers = header === undefined ? {} : { "Retry-After": header };
      answers.push({ status, headers, body: "" });
      await assert.rejects(http.fetch(request, signal), { answered: true, retryAfterMs });
    });
  }
});

suite("a probe through a proxy", () => {
  test("reaches a peer whose name only the proxy knows, and says how", async () => {
    const pki = await testPki();
    const leaf = await pki.issue("localhost");
    const tls = createServer({ cert: leaf.certificatePem, key: leaf.keyPem }, (_, response) => {
      response.end();
    });
    tls.listen(0, "127.0.0.1");
    await once(tls, "listening");
    after(() => tls.close());
    const { port } = tls.address() as AddressInfo;
    await using proxy = await startProxy(() => undefined, { localhost: "127.0.0.1" });
    const material = {
      ...{ chainPem: leaf.certificatePem, key: leaf.keyPem },
      ...{ trustBundlePem: pki.caPem, digest: "" },
    };
    const result = await probe(
      {
        ...{ host: "localhost", port, material, minVersion: "1.3", settleMs: 100 },
        ...{ network: new FakeNetwork(), clock: systemClock, timeoutMs: 3_000 },
        proxy: parseProxy(`http://127.0.0.1:${proxy.port}`),
      },
      new AbortController().signal,
    );
    assert.equal(result.serverAccepted, true, JSON.stringify(result.findings));
    const words = result.findings.map((finding) => finding.words).join("; ");
    assert.match(words, /the proxy 127.0.0.1:\d+ opened a tunnel to localhost:\d+/);
    assert.equal(proxy.requests.length, 2, "with our certificate, and without one");
  });
});
