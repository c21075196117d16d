/**
 * Looks at everything that the checks judge: files, clock, control socket, listener. Never throws.
 */
import { lstat, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type LoadedConfig, SYSTEM_CONFIG_PATH } from "../../agent/config.ts";
import { BUILD } from "../../base/build.ts";
import { systemFiles } from "../../host/files.ts";
import { readAheadOf } from "../../host/read-ahead.ts";
import { readTextFile } from "../../host/text-file.ts";
import { splitPem } from "../../identity/pem.ts";
import { parseTrustBundle } from "../../identity/trust-bundle.ts";
import { parseCertificate } from "../../identity/x509/certificate.ts";
import { AdminClient } from "../../sidecar/admin-client.ts";
import { loadConfiguration } from "../configuration.ts";
import type { Terminal } from "../terminal.ts";
import { attempt, attemptWith, pathFact } from "./attempt.ts";
import { type Fact, type Facts, type FileFact, isMissing, type PathFact } from "./facts.ts";
import { gatherDomainFaults, gatherServed } from "./gather-access.ts";
import { gatherHandshake } from "./gather-handshake.ts";
import { gatherIdentity } from "./gather-identity.ts";

/** More than any certificate file needs, in bytes. */
const MAX_FILE_BYTES = 1024 * 1024;
/** An agent that does not answer its own socket within this is as good as dead. */
const AGENT_TIMEOUT_MS = 5_000;

export async function gatherFacts(
  terminal: Terminal,
  configFile: string | undefined,
): Promise<Facts> {
  const loaded = await attempt(() => loadConfiguration(terminal, configFile));
  const [cert, key, trustFile] = await tlsFilesOf(loaded);
  const [socket, socketDirectory] = await socketOf(loaded);
  const agent = await attemptWith(loaded, ({ config }) =>
    within(terminal, AGENT_TIMEOUT_MS, (signal) =>
      new AdminClient(config.controlSocketPath, config.file).status(signal),
    ),
  );
  const { pem, ...identity } = await gatherIdentity(terminal, loaded, agent);
  const inStore = !isMissing(loaded) && loaded.config.store.dir !== undefined;
  const chain = inStore
    ? await attemptWith(pem, (own) => parseChain(own.chain))
    : await attemptWith(cert, ({ text }) => parseChain(text));
  const bundle = inStore
    ? await attemptWith(pem, (own) => parseTrustBundle(own.trustBundle))
    : await attemptWith(trustFile, ({ text }) => parseTrustBundle(text));
  return {
    nowMs: terminal.clock.now(),
    builtAt: Date.parse(BUILD.date),
    uid: terminal.uid,
    serviceUid: await serviceUidOf(terminal, loaded),
    config: loaded,
    cert,
    key,
    keyDirectory: await attemptWith(key, ({ path }) => pathFact(dirname(path), stat)),
    trustFile,
    chain,
    bundle,
    ...identity,
    socket,
    socketDirectory,
    handlers: await handlersOf(loaded),
    issuerSecrets: await issuerSecretsOf(loaded),
    domainFaults: await attemptWith(loaded, gatherDomainFaults),
    served: await attemptWith(agent, () =>
      attemptWith(loaded, (configuration) => gatherServed(terminal, configuration)),
    ),
    agent,
    readAhead: await attempt(() => readAheadOf(process.execPath)),
    handshake: await attemptWith(agent, (status) =>
      attemptWith(loaded, (configuration) => {
        const leaf = isMissing(chain) ? undefined : chain[0];
        return gatherHandshake(terminal, configuration, status, leaf);
      }),
    ),
  };
}

function parseChain(pem: string) {
  const blocks = splitPem(pem).filter(({ label }) => label.endsWith("CERTIFICATE"));
  if (blocks.length === 0) throw new Error("tls.cert holds no PEM certificate");
  return blocks.map(({ text }) => parseCertificate(text));
}

type TlsFileFacts = readonly [cert: Fact<FileFact>, key: Fact<FileFact>, ca: Fact<FileFact>];

async function tlsFilesOf(loaded: Fact<LoadedConfig>): Promise<TlsFileFacts> {
  if (isMissing(loaded)) return [loaded, loaded, loaded];
  const files = loaded.config.tlsFiles;
  if (files === undefined) {
    const none = { missing: "not configured", code: undefined };
    return [none, none, none];
  }
  return Promise.all([
    attempt(() => fileFact(files.certPath)),
    attempt(() => fileFact(files.keyPath)),
    attempt(() => fileFact(files.caPath)),
  ]);
}

async function fileFact(path: string): Promise<FileFact> {
  const fact = await pathFact(path, stat);
  if (fact.kind !== "file") throw new Error(`${path} is not a file`);
  const bytes = await systemFiles.read(path, MAX_FILE_BYTES);
  return { ...fact, text: Buffer.from(bytes).toString("utf8") };
}

async function socketOf(
  loaded: Fact<LoadedConfig>,
): Promise<readonly [socket: Fact<PathFact>, directory: Fact<PathFact>]> {
  if (isMissing(loaded)) return [loaded, loaded];
  const path = loaded.config.controlSocketPath;
  return Promise.all([
    attempt(() => pathFact(path, lstat)),
    attempt(() => pathFact(dirname(path), stat)),
  ]);
}

/** Of the user in `systemd/microedge.sysusers.conf`. */
const SERVICE_USER = /^microedge:[^:]*:(\d+):/m;

/** Root can read everything, and so can't see by trying what the service's own user can't. */
async function serviceUidOf(
  terminal: Terminal,
  loaded: Fact<LoadedConfig>,
): Promise<number | undefined> {
  if (terminal.uid !== 0 || isMissing(loaded)) return undefined;
  if (loaded.config.file !== SYSTEM_CONFIG_PATH) return undefined;
  const users = await readTextFile("/etc/passwd").catch(() => "");
  const uid = SERVICE_USER.exec(users)?.[1];
  return uid === undefined ? undefined : Number(uid);
}

async function handlersOf(loaded: Fact<LoadedConfig>): Promise<Facts["handlers"]> {
  if (isMissing(loaded)) return [];
  return Promise.all(
    loaded.config.handlers.map(async ({ module }) => ({
      module,
      file: await attempt(() => pathFact(module, stat)),
    })),
  );
}

async function issuerSecretsOf(loaded: Fact<LoadedConfig>): Promise<Facts["issuerSecrets"]> {
  if (isMissing(loaded)) return [];
  const { passwordFile, birthKey } = loaded.config.issuer;
  const files = { "issuer.password_file": passwordFile, "issuer.birth_key": birthKey };
  return Promise.all(
    Object.entries(files).flatMap(([key, path]) => {
      if (path === undefined) return [];
      return [attempt(() => pathFact(path, stat)).then((file) => ({ key, file }))];
    }),
  );
}

/** Runs `ask` with a signal that aborts after `limitMs`. */
async function within<T>(
  terminal: Terminal,
  limitMs: number,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = terminal.clock.setTimer(limitMs, () =>
    limit.abort(new Error(`no answer within ${limitMs} ms`)),
  );
  try {
    return await ask(limit.signal);
  } finally {
    timer.cancel();
  }
}
