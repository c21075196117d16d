/**
 * A device that has enrolled at a real step-ca, with the built program, a certificate store, a rotation
 * queue, and a probe peer that has accepted it; for tests that kill it while it renews, and judge what they
 * find then.
 */
import assert from "node:assert/strict";
import type { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { cp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { SILENT } from "#src/base/log.ts";
import { systemClock } from "#src/host/clock.ts";
import { systemDirectoryLock } from "#src/host/directory-lock.ts";
import { systemRandom } from "#src/host/random.ts";
import { systemStateDisk } from "#src/host/state-disk.ts";
import { openCertificateStore } from "#src/identity/store/open-store.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import { ANSWER_NOTE } from "#src/rotation/renewal-answer.ts";
import { type AgentProcess, BUNDLE, startAgent } from "./agent-process.ts";
import { run } from "./child.ts";
import { sha256Of } from "./issuer-rig.ts";
import { type CredentialFiles, makeSite } from "./site.ts";
import type { StepCa } from "./step-ca.ts";

/** What a dead agent has left on flash, of the renewal that it was asked for. */
export interface Left {
  /** Of the intent; `undefined` when there is none. */
  readonly step: string | undefined;
  /** Whether a second generation is there, staged or in force. */
  readonly held: boolean;
  /** Whether the authority's answer is there. */
  readonly answered: boolean;
}

export interface RenewingSite extends AsyncDisposable {
  readonly config: string;
  /** The certificate store, with the queue in it. */
  readonly dir: string;
  /** Brings it to where it was after enrolment, and begins to count what is issued. */
  restore(): Promise<void>;
  /** What the authority has issued since. */
  issued(): readonly X509Certificate[];
  /** Reads a copy, as reading may mend. */
  left(): Promise<Left>;
  /**
   * Starts the agent, lets it end what it finds to do by itself, and tells in words where it is then.
   *
   * @throws AssertionError when key and certificate don't belong together, or what is in force was not
   *   issued here.
   */
  settled(): Promise<string>;
}

const STORE = '[store]\ndir = "store"\n';
const NAMES = ["roof-7", "127.0.0.1"];

export async function makeRenewingSite(ca: StepCa): Promise<RenewingSite> {
  await using opening = new AsyncDisposableStack();
  const site = opening.use(await makeSite());
  const leaf = await ca.issue("peer");
  const credentials: CredentialFiles = {
    cert: await site.write("peer.crt", leaf.certificatePem),
    key: await site.write("peer.key", leaf.keyPem),
    ca: await site.write("root.crt", ca.root.certificatePem),
  };
  const peer = opening.use(await startAgent({ credentials }));
  const root = sha256Of(ca.root.certificatePem);
  const more = `[issuer]\nkind = "step-ca"\nurl = "${ca.url}"\nroot_sha256 = "${root}"
[probation]\npeers = ["${peer.listen}"]\n`;
  const start = (): Promise<AgentProcess> =>
    startAgent({ site, credentials, identity: STORE, config: more });
  const config = await site.write(
    "microedge.toml",
    `[rpc]\nlisten = "127.0.0.1:0"\n${STORE}[control]\nsocket = "control.sock"\n${more}`,
  );
  const token = await site.write("token.jwt", ca.token("roof-7", NAMES));
  const enrolled = await run([BUNDLE, "enroll", "--token-file", token, "--config", config]);
  assert.equal(enrolled.code, 0, enrolled.stderr);
  const first = await start();
  await first.event("certificate.proven");
  await first.stop();
  const [dir, template, copy] = ["store", "template", "copy"].map((name) =>
    join(site.directory, name),
  ) as [string, string, string];
  await replace(dir, template);
  let counted = ca.issued().length;
  const issued = (): readonly X509Certificate[] => ca.issued().slice(counted);
  const owned = opening.move();
  return {
    config,
    dir,
    issued,
    async restore() {
      await replace(template, dir);
      counted = ca.issued().length;
    },
    async left() {
      await replace(dir, copy);
      return leftIn(copy);
    },
    async settled() {
      await using agent = await start();
      const { entries } = await json(agent, "queue", "list");
      for (const { id, state } of entries as Record<string, unknown>[]) {
        if (state !== "done") await agent.event("queue.intent.done", (line) => line["id"] === id);
      }
      const { generation } = members(await json(agent, "status"), "identity");
      // what was proven before is not proven again
      const told = members(await json(agent, "status"), "identity")["state"];
      if (told === "UNPROVEN") {
        await agent.event("certificate.proven", (line) => line["generation"] === generation);
      }
      const status = await json(agent, "status");
      const identity = members(status, "identity");
      const { state, serial } = identity;
      const { fault, writable } = members(identity, "store");
      assert.deepEqual([fault, writable], [undefined, true]);
      const shown = await served(agent.listen, credentials);
      assert.equal(shown.serialNumber, serial, "served is what is in force");
      const fromHere = issued();
      const isFromHere = fromHere.some((each) => each.fingerprint256 === shown.fingerprint256);
      assert.equal(isFromHere, generation !== 1, "what was issued here is what is in force");
      assert.ok(new Set(fromHere.map(keyOf)).size <= 1, "more than one key was certified");
      const queue = (await json(agent, "queue", "list"))["entries"] as Record<string, unknown>[];
      await agent.stop();
      const { keys } = await json(agent, "key", "list");
      const names = (keys as { readonly name: string }[]).map(({ name }) => name).sort();
      const wishes = queue.map((each) => `${each["id"]} ${each["state"]}`);
      // A number whose generation was begun and not finished is not used again.
      const which = generation === 1 ? "the first certificate" : "a renewed certificate";
      return `${which} ${state}; keys: ${names}; queue: ${wishes}`;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The certificate that the agent shows, having proven that it has the key (RFC 8446, section 4.4.3). */
async function served(listen: string, files: CredentialFiles): Promise<X509Certificate> {
  const [cert, key, ca] = await Promise.all(
    [files.cert, files.key, files.ca].map((file) => readFile(file)),
  );
  const socket = connect({
    ...{ host: "127.0.0.1", port: Number(listen.split(":").at(-1)) },
    ...{ cert, key, ca, minVersion: "TLSv1.3" },
  } as const);
  try {
    await once(socket, "secureConnect");
    const shown = socket.getPeerX509Certificate();
    if (shown === undefined) throw new Error("no certificate was shown");
    return shown;
  } finally {
    socket.destroy();
  }
}

function keyOf({ publicKey }: X509Certificate): string {
  return publicKey.export({ format: "der", type: "spki" }).toString("base64");
}

async function leftIn(dir: string): Promise<Left> {
  const shared = { disk: systemStateDisk, clock: systemClock, random: systemRandom, log: SILENT };
  const lock = systemDirectoryLock(systemClock);
  await using store = await openCertificateStore({ ...shared, dir, lock });
  const path = join(dir, "queue", "intents");
  const { epoch } = store;
  await using queue = await openIntentQueue({
    ...{ ...shared, path, epoch, device: undefined, opener: "command" },
  });
  const intent = queue.list()[0];
  const step = intent === undefined ? undefined : (intent.step ?? "none yet");
  const answered = (await store.readNote(ANSWER_NOTE)) !== undefined;
  return { step, held: store.history().some(({ number }) => number > 1), answered };
}

async function replace(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true, preserveTimestamps: true });
}

async function json(agent: AgentProcess, ...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await agent.microedge(...args, "--json");
  assert.equal(code, 0, `${stdout}${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

function members(of: Record<string, unknown>, name: string): Record<string, unknown> {
  return of[name] as Record<string, unknown>;
}
