/**
 * `microedge enroll` of the built program at a real step-ca: with the agent stopped and running, with a
 * device that is enrolled already, tokens that are no good, and behind a proxy.
 */
import assert from "node:assert/strict";
import { existsSync, globSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { BUNDLE } from "../fakes/agent-process.ts";
import { Child, type Ended, run } from "../fakes/child.ts";
import { startEstServer } from "../fakes/est-server.ts";
import { sha256Of, startRelay } from "../fakes/issuer-rig.ts";
import { without } from "../fakes/needs.ts";
import { startProxy } from "../fakes/network-proxy.ts";
import { makeSite, type Site } from "../fakes/site.ts";
import { type StepCa, startStepCa } from "../fakes/step-ca.ts";

interface Device extends AsyncDisposable {
  readonly site: Site;
  enroll(token: string | undefined, ...more: string[]): Promise<Ended>;
  microedge(...args: string[]): Promise<Ended>;
  agent(env?: Readonly<Record<string, string>>): Promise<Child>;
}

async function device(
  ca: StepCa,
  more = "",
  url = ca.url,
  issuer?: readonly string[],
): Promise<Device> {
  const site = await makeSite();
  const root = sha256Of(ca.root.certificatePem);
  const section = issuer?.join("\n") ?? `kind = "step-ca"\nurl = "${url}"\nroot_sha256 = "${root}"`;
  const config = await site.write(
    "microedge.toml",
    `[rpc]\nlisten = "127.0.0.1:0"\n[store]\ndir = "store"\n[issuer]\n${section}\n[control]\nsocket = "control.sock"\n${more}\n`,
  );
  const microedge = (...args: string[]): Promise<Ended> =>
    run([BUNDLE, ...args, "--config", config]);
  let child: Child | undefined;
  return {
    site,
    microedge,
    async enroll(token, ...args) {
      if (token === undefined) return microedge("enroll", ...args);
      const file = join(site.directory, "token.jwt");
      await writeFile(file, `${token}\n`, { mode: 0o600 });
      return microedge("enroll", "--token-file", file, ...args);
    },
    async agent(env = {}) {
      child = new Child([BUNDLE, "run", "--config", config], { env });
      await child.waitFor("control.listening", (line) => /"control\.listening"/.exec(line)?.[0]);
      return child;
    },
    async [Symbol.asyncDispose]() {
      await child?.stop();
      await site[Symbol.asyncDispose]();
    },
  };
}

const [library = "/usr/lib/faketime/libfaketime.so.1"] = globSync(
  "/usr/lib/{*/,}faketime/libfaketime.so.1",
);
const skip = without("libfaketime (apt install faketime)", existsSync(library));
const NAMES = ["roof-7", "127.0.0.1", "spiffe://fleet.test/device/roof-7"];
const members = (text: string) => JSON.parse(text) as Record<string, Record<string, unknown>>;

suite("microedge enroll", () => {
  let ca: StepCa;
  before(async () => {
    ca = await startStepCa();
  });
  after(() => ca[Symbol.asyncDispose]());

  test("with the agent stopped, then the agent starts with it", async () => {
    await using own = await device(ca);
    const done = await own.enroll(ca.token("roof-7", NAMES));
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^enrolled +by step-ca: CN=Step Intermediate$/m);
    assert.match(done.stdout, /^subject +CN=roof-7$/m);
    assert.match(done.stdout, /^SPIFFE ID +spiffe:\/\/fleet\.test\/device\/roof-7$/m);
    assert.match(done.stdout, /^agent +the agent will use it when it starts$/m);
    assert.match(done.stderr, /making a private key \(ecdsa-p256\) \.\.\.\nasking https:/);
    const agent = await own.agent();
    await agent.waitFor("agent.ready", (line) => /"agent\.ready"/.exec(line)?.[0]);
    const shown = await own.microedge("cert", "history", "--json");
    assert.match(shown.stdout, /"origin":"enrolment"/);
  });

  test("with the agent running, which waits for a certificate and takes it", async () => {
    await using own = await device(ca);
    const agent = await own.agent();
    const done = await own.enroll(ca.token("roof-8", ["roof-8", "127.0.0.1"]), "--json");
    assert.equal(done.code, 0, done.stderr);
    const view = members(done.stdout);
    assert.equal(view["leaf"]?.["subject"], "CN=roof-8");
    assert.equal(view["running"], true);
    await agent.waitFor("agent.ready", (line) => /"agent\.ready"/.exec(line)?.[0]);
    const keys = await own.microedge("key", "list", "--json");
    assert.doesNotMatch(keys.stdout, /"enrolment"/);
  });

  for (const isRunning of [true, false]) {
    test(`told to stop while the authority hangs, ${isRunning ? "with the agent running" : "the command alone"}: it ends at once, and goes on with the same key`, async () => {
      await using own = await device(ca);
      const agent = isRunning ? await own.agent() : undefined;
      const token = ca.token("roof-9", ["roof-9"]);
      const file = join(own.site.directory, "token.jwt");
      await writeFile(file, `${token}\n`, { mode: 0o600 });
      ca.pause();
      try {
        const args = ["--config", join(own.site.directory, "microedge.toml")];
        const command = new Child([BUNDLE, "enroll", "--token-file", file, ...args]);
        const store = join(own.site.directory, "store");
        // the last that is done before the authority is asked
        while (!existsSync(join(store, "key-enrolment"))) await own.microedge("version");
        const begun = performance.now();
        const { code } = await (agent ?? command).stop();
        const tookMs = performance.now() - begun;
        assert.ok(tookMs < 4_000, `${tookMs} ms`);
        if (agent !== undefined) {
          assert.equal(code, 0);
          assert.notEqual((await command.ended).code, 0);
        }
      } finally {
        ca.resume();
      }
      const again = await own.enroll(ca.token("roof-9", ["roof-9"]));
      assert.equal(again.code, 0, again.stderr);
      assert.match(again.stderr, /using the key of the attempt before/);
    });
  }

  test("a device that is enrolled says so loudly, and spends nothing", async () => {
    await using own = await device(ca);
    await own.enroll(ca.token("a", ["a"]));
    const token = ca.token("b", ["b"]);
    const refused = await own.enroll(token);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /this device is ALREADY ENROLLED: CN=a has certificate [0-9A-F]+/);
    assert.match(refused.stderr, /--again/);
    assert.match(refused.stderr, /ERR_ENROLLED/);
    const again = await own.enroll(token, "--again");
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /^subject +CN=b$/m);
  });

  test("a token that was spent: what to do is said, and nothing changes", async () => {
    await using own = await device(ca);
    await using other = await device(ca);
    const token = ca.token("c", ["c"]);
    await other.enroll(token);
    const failed = await own.enroll(token);
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /does not take the token: it is spent/);
    assert.match(failed.stderr, /fix: have a new token made/);
    assert.match(failed.stderr, /ERR_ISSUER_TOKEN/);
    assert.ok(!failed.stderr.includes(token));
    const good = await own.enroll(ca.token("c", ["c"]));
    assert.equal(good.code, 0, good.stderr);
    assert.match(good.stderr, /using the key of the attempt before/);
  });

  test("an answer that is lost: the key is kept, and the next token makes it good", async () => {
    await using relay = await startRelay(Number(new URL(ca.url).port));
    await using own = await device(ca, "", `https://127.0.0.1:${relay.port}`);
    // gets the root, so that the next attempt is one connection
    await own.enroll(ca.token("d", ["d"], { iss: "nobody" }));
    relay.hold = true;
    const attempt = own.enroll(ca.token("d", ["d"]));
    await ca.logged(/status=201 subject=d /);
    relay.cut();
    const failed = await attempt;
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /broke the connection/);
    assert.match(failed.stderr, /the token may be spent: .*have a new one made; the key is kept/);
    relay.hold = false;
    const kept = await own.microedge("key", "list", "--json");
    const good = await own.enroll(ca.token("d", ["d"]), "--json");
    assert.equal(good.code, 0, good.stderr);
    const { spkiSha256 } = members(good.stdout)["key"] ?? {};
    assert.ok(kept.stdout.includes(`"name":"enrolment"`));
    assert.ok(kept.stdout.includes(String(spkiSha256)));
  });

  test("an authority that is down: nobody is told that the agent will try again", async () => {
    await using own = await device(ca);
    await ca.stop();
    const failed = await own.enroll(ca.token("g", ["g"]));
    await ca.start();
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /an enrolment is a command to give again/);
  });

  test("behind an HTTP proxy with credentials", async () => {
    await using proxy = await startProxy(() => undefined, { "ca.test": "127.0.0.1" });
    const url = ca.url.replace("127.0.0.1", "ca.test");
    const toml = `[client]\nproxy = "http://user:secret@127.0.0.1:${proxy.port}"`;
    await using own = await device(ca, toml, url);
    const token = ca.token("e", ["e"], { aud: "https://ca.test/1.0/sign" });
    const done = await own.enroll(token);
    assert.equal(done.code, 0, done.stderr);
    assert.equal(proxy.requests.length, 2);
    assert.match(proxy.requests[1] ?? "", /^CONNECT ca\.test:\d+ [\s\S]*Basic dXNlcjpzZWNyZXQ=/);
    assert.doesNotMatch(done.stderr + done.stdout, /secret/);
  });

  test("a clock that is years behind: the authority is recognised by the proven time", {
    skip,
  }, async () => {
    await using own = await device(ca);
    assert.equal((await own.enroll(ca.token("f", ["f", "127.0.0.1"]))).code, 0);
    const before = members((await own.microedge("cert", "show", "--json")).stdout)["leaf"];
    await own.agent({ LD_PRELOAD: library, FAKETIME: "-900d" });
    const renewed = await own.microedge("cert", "renew", "--now", "--json");
    assert.equal(renewed.code, 0, renewed.stdout + renewed.stderr);
    const leaf = members((await own.microedge("cert", "show", "--json")).stdout)["leaf"];
    assert.equal(leaf?.["subject"], "CN=f");
    assert.notEqual(leaf?.["serial"], before?.["serial"]);
  });

  test("the running agent says as much of a refusal as a stopped one", async () => {
    await using own = await device(ca);
    await own.agent();
    const token = ca.token("g", ["g"], { iss: "nobody" });
    const failed = await own.enroll(token);
    assert.match(failed.stderr, /does not take the token/);
    assert.match(failed.stderr, /fix: have a new token made/);
    assert.match(failed.stderr, /code: ERR_ISSUER_TOKEN/);
    assert.ok(!failed.stderr.includes(token));
  });

  test("EST, with the agent running", async () => {
    await using server = await startEstServer();
    await using own = await device(ca, "", ca.url, [
      `kind = "est"\nurl = "${server.url}"\nroot_sha256 = "${sha256Of(server.root.certificatePem)}"`,
      'username = "factory"\npassword_file = "password"\ncommon_name = "roof-9"\ndns_names = "roof-9.test"',
    ]);
    await own.site.write("password", "s3cret\n");
    await own.agent();
    const withToken = await own.enroll("one.two.three");
    assert.notEqual(withToken.code, 0);
    assert.match(withToken.stderr, /ERR_ISSUER_TOKEN/);
    assert.doesNotMatch(withToken.stderr, /asking https/);
    const done = await own.enroll(undefined);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^enrolled +by est: CN=EST Intermediate$/m);
    const renewed = await own.microedge("cert", "renew", "--now", "--json");
    assert.equal(renewed.code, 0, renewed.stdout + renewed.stderr);
    assert.equal(members(renewed.stdout)["leaf"]?.["subject"], "CN=roof-9");
    assert.equal(server.asked.at(-1), "POST /.well-known/est/simplereenroll");
  });

  test("by file: the request is left, the answer is picked up by the same command", async () => {
    await using own = await device(ca, "", ca.url, [
      'kind = "file"\ncsr_dir = "stick"\nroots = "root.pem"\ncommon_name = "roof-5"\ndns_names = "roof-5.test"',
    ]);
    const stick = join(own.site.directory, "stick");
    await mkdir(stick);
    await own.site.write("root.pem", ca.root.certificatePem);
    await own.site.write("ca.crt", ca.root.certificatePem);
    await own.site.write("ca.key", ca.root.keyPem);
    const first = await own.enroll(undefined);
    assert.notEqual(first.code, 0);
    assert.match(first.stderr, /ERR_ISSUER_PENDING/);
    const [csr = ""] = await readdir(stick);
    assert.match(csr, /^microedge-[0-9a-f]{16}\.csr$/);
    await own.site.write("ext", "extendedKeyUsage=serverAuth,clientAuth\n");
    const signed = await run(
      [
        "openssl",
        ..."x509 -req -days 9 -CA ca.crt -CAkey ca.key -CAcreateserial -copy_extensions copy -extfile ext -out stick/a.crt -in".split(
          " ",
        ),
        join(stick, csr),
      ],
      { cwd: own.site.directory },
    );
    assert.equal(signed.code, 0, signed.stderr);
    const done = await own.enroll(undefined);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^subject +CN=roof-5$/m);
    assert.deepEqual(await readdir(stick), ["a.crt"]);
  });

  test("nothing configured", async () => {
    await using own = await device(ca);
    const none = await own.enroll(undefined);
    assert.match(none.stderr, /enrols with a one-time token, and none was given/);
    await own.site.write("plain.toml", '[store]\ndir = "store"\n');
    const plain = await run([BUNDLE, "enroll", "--config", join(own.site.directory, "plain.toml")]);
    assert.match(plain.stderr, /names no authority to enrol with/);
    assert.match(plain.stderr, /ERR_ISSUER_NONE/);
  });
});
