/** An issuer over real sockets, with keys in memory, a clock that a test sets, and notes in memory. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { systemClock } from "#src/host/clock.ts";
import { systemNetwork } from "#src/host/network.ts";
import { systemRandom } from "#src/host/random.ts";
import { bitString, element, sequence } from "#src/identity/exchange/der-writer.ts";
import { IssuerError } from "#src/identity/issuer.ts";
import type { KeyAlgorithm, OpenKey } from "#src/identity/keys/key-provider.ts";
import { algorithmOf, signWith } from "#src/identity/keys/key-strength.ts";
import type { TimeView } from "#src/identity/time/time-view.ts";
import { readRawFields } from "#src/identity/validator/raw-fields.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { certificatePem } from "#src/identity/x509/certificate-builder.ts";
import type { Authority } from "#src/identity/x509/issue.ts";
import type { OnlineIssuerParts } from "#src/issuers/issuer-parts.ts";
import { type IssuerRoots, openIssuerRoots } from "#src/issuers/issuer-roots.ts";
import { IssuerExchange, type IssuerQuestion } from "#src/transport/issuer-exchange.ts";
import type { ProxySettings } from "#src/transport/proxy-settings.ts";

export interface IssuerRig {
  readonly parts: OnlineIssuerParts;
  readonly roots: IssuerRoots;
  /** `GET /root/…`, in order, with `+cert` when a client certificate was offered. */
  readonly asked: string[];
  readonly notes: Map<string, Uint8Array>;
  view: TimeView;
  /** What the system's clock says, while `view.clockWrong`; default what it does say. Unix ms. */
  clockMs: number | undefined;
}

export interface IssuerRigOptions {
  readonly url: string;
  readonly rootSha256?: string;
  readonly bundlePem?: string;
  readonly proxy?: ProxySettings;
  readonly connectTimeoutMs?: number;
  readonly totalTimeoutMs?: number;
  readonly notes?: Map<string, Uint8Array>;
  readonly ownChainPem?: string;
}

export function trustedView(nowMs = Date.now()): TimeView {
  return { state: "network", nowMs, floorMs: nowMs - 1_000, clockWrong: false, words: undefined };
}

export async function issuerRig(options: IssuerRigOptions): Promise<IssuerRig> {
  const notes = options.notes ?? new Map<string, Uint8Array>();
  const roots = await openIssuerRoots({
    rootSha256: options.rootSha256,
    bundlePem: options.bundlePem,
    notes: {
      readNote: async (name) => notes.get(name),
      writeNote: async (name, bytes) => void notes.set(name, bytes),
    },
  });
  const asked: string[] = [];
  const { connectTimeoutMs, totalTimeoutMs } = options;
  const real = new IssuerExchange({
    network: systemNetwork,
    clock: systemClock,
    time: {
      peerTime: () => {
        const { nowMs, clockWrong } = rig.view;
        const clockMs = rig.clockMs ?? Date.now();
        const policy = { notYetValid: "proven", expiredGraceMs: 0 } as const;
        return clockWrong
          ? { nowMs, doubt: { clockMs, clockWrong, policy } }
          : { nowMs: Date.now() };
      },
    },
    proxy: options.proxy,
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
    ...(totalTimeoutMs === undefined ? {} : { totalTimeoutMs }),
  });
  const exchange = {
    ask: (question: IssuerQuestion, signal: AbortSignal) => {
      const cert = question.client === undefined ? "" : " +cert";
      const token = question.headers?.["Authorization"] === undefined ? "" : " +token";
      asked.push(`${question.post ? "POST" : "GET"} ${question.url.pathname}${cert}${token}`);
      return real.ask(question, signal);
    },
  };
  const parts: OnlineIssuerParts = {
    url: new URL(options.url),
    exchange,
    roots,
    random: systemRandom,
    time: () => rig.view,
    ownChainPem: () => options.ownChainPem ?? "",
  };
  const rig: IssuerRig = { parts, roots, asked, notes, view: trustedView(), clockMs: undefined };
  return rig;
}

export function newKey(algorithm: KeyAlgorithm = "ecdsa-p256"): OpenKey {
  return openKey(
    {
      "ecdsa-p256": () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
      "ecdsa-p384": () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
      ed25519: () => generateKeyPairSync("ed25519"),
      rsa: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    }[algorithm]().privateKey,
  );
}

export function openKey(privateKey: KeyObject | string): OpenKey {
  const key = typeof privateKey === "string" ? createPrivateKey(privateKey) : privateKey;
  const publicKey = createPublicKey(key);
  const algorithm = algorithmOf(key);
  const der = publicKey.export({ type: "spki", format: "der" });
  const spkiSha256 = createHash("sha256").update(der).digest("hex");
  return {
    reference: { provider: "memory", algorithm, spkiSha256, locator: spkiSha256 },
    publicKey,
    tlsKey: key.export({ type: "pkcs8", format: "pem" }).toString(),
    sign: (bytes) => signWith(key, algorithm, bytes),
    exportPkcs8: () => key.export({ type: "pkcs8", format: "der" }),
  };
}

/** SHA-256 of the DER of the first certificate, hexadecimal. */
export function sha256Of(pem: string): string {
  return parseCertificate(pem).summary.fingerprint;
}

/** The error of an attempt that must fail. */
export async function failureOf(attempt: Promise<unknown>): Promise<IssuerError> {
  const error = await attempt.then(
    () => new Error("it succeeded"),
    (thrown: unknown) => thrown,
  );
  if (error instanceof IssuerError) return error;
  throw error;
}

/** The leaf of a chain with another validity (Unix ms), signed by its issuer: what the authority once made. */
export function withValidity(
  chainPem: string,
  issuer: Authority,
  notBefore: number,
  notAfter: number,
): string {
  const [leafPem = "", ...rest] = chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
  const leaf = parseCertificate(leafPem);
  const { fields } = readRawFields(leaf);
  const time = (ms: number): Buffer =>
    element(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-:T]/g, "")}Z`));
  const parts = fields.map(({ tag, content }, index) => {
    if (index === 0)
      return element(
        tag,
        content.map((octet, at) => (at === 7 ? octet ^ 0x55 : octet)),
      );
    return index === 3 ? sequence(time(notBefore), time(notAfter)) : element(tag, content);
  });
  const tbs = sequence(element(0xa0, Buffer.of(2, 1, 2)), ...parts);
  const algorithm = parts[1] ?? Buffer.alloc(0);
  const signed = sign("sha256", tbs, issuer.keyPem);
  return [certificatePem(sequence(tbs, algorithm, bitString(signed))), ...rest].join("");
}

/** Between a client and a TLS server; on demand the answer to the next request never arrives. */
export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** From the next connection on nothing of the server passes that comes after the handshake. */
  hold: boolean;
  /** Breaks what is open. */
  cut(): void;
}

export async function startRelay(targetPort: number): Promise<Relay> {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const held = relay.hold;
    const upstream = connect(targetPort, "127.0.0.1");
    let flights = 0;
    open.add(client).add(upstream);
    for (const socket of [client, upstream]) socket.on("error", () => undefined);
    client.on("close", () => upstream.destroy());
    // Who holds back the answer holds back that it has ended, too.
    if (!held) upstream.on("close", () => client.destroy());
    client.on("data", (chunk) => {
      flights += 1;
      upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      // TLS 1.3: ClientHello is the first flight, certificate and request make the second.
      if (!held || flights < 2) client.write(chunk);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const relay: Relay = {
    port: (server.address() as AddressInfo).port,
    hold: false,
    cut: () => {
      for (const socket of open) socket.resetAndDestroy();
      open.clear();
    },
    async [Symbol.asyncDispose]() {
      relay.cut();
      server.close();
      await once(server, "close");
    },
  };
  return relay;
}
