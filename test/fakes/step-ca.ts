/**
 * A real step-ca (`scripts/peers` builds it) on loopback: root and intermediate of its own, one JWK
 * provisioner, a CRL that is made anew on each revocation. Both authorities are two years old: step-ca judges
 * an expired chain by the minute before its end.
 */
import {
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
  X509Certificate,
} from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { systemRandom } from "#src/host/random.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import { type Authority, createAuthority, type Issued } from "#src/identity/x509/issue.ts";
import { Child, run } from "./child.ts";

const PROGRAM = resolve(import.meta.dirname, "../../build/peers/step-ca");

export interface StepCa extends AsyncDisposable {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  /** Plain HTTP; also the distribution point in what it issues. */
  readonly crlUrl: string;
  readonly root: Authority;
  readonly intermediate: Authority;
  /** A leaf with its intermediate, for both roles; SANs are the name and loopback. */
  issue(cn: string): Promise<Issued>;
  revoke(leaf: Issued): Promise<void>;
  /** Stops it, forgets what it has issued and revoked, and starts it again with the same keys. */
  wipe(): Promise<void>;
  /** A one-time token; `claims` are added, `undefined` takes one out. */
  token(sub: string, sans: readonly string[], claims?: Readonly<Record<string, unknown>>): string;
  /** Starts it again with the same state, and `change` from then on. */
  restart(change?: Partial<StepCaSettings>): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** It keeps its port open and answers nothing, until `resume`. */
  pause(): void;
  resume(): void;
  /** What it has issued since its last start, by its log; each as soon as it is signed. */
  issued(): readonly X509Certificate[];
  /** Waits for a line of its log. */
  logged(pattern: RegExp): Promise<void>;
}

export interface StepCaSettings {
  /** Claims of the provisioner: `allowRenewalAfterExpiry`, `defaultTLSCertDuration`, ... */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Name of the only provisioner; another one than before means that the old is gone. */
  readonly provisioner: string;
  /** Acceptable roots; the first is in force. */
  readonly roots: readonly Authority[];
  readonly intermediate: Authority;
  /** Goes with its chain: a cross-signed root. */
  readonly cross: readonly Authority[];
}

const AGE_MS = 2 * 365 * 86_400_000;

/** Root and intermediate, two years old; roots have no path length, so that they may be cross-signed. */
export async function stepAuthorities(
  name: string,
): Promise<{ readonly root: Authority; readonly intermediate: Authority }> {
  const nowMs = Date.now();
  const shared = { days: 30, nowMs, random: systemRandom, notBefore: nowMs - AGE_MS };
  const root = await createAuthority({ ...shared, cn: `${name} Root` });
  const intermediate = await createAuthority({
    ...shared,
    cn: `${name} Intermediate`,
    parent: root,
  });
  return { root, intermediate };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export async function startStepCa(options: Partial<StepCaSettings> = {}): Promise<StepCa> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run scripts/peers`);
  const directory = await mkdtemp(join(tmpdir(), "microedge-step-ca-"));
  const { root, intermediate } = await stepAuthorities("Step");
  let settings: StepCaSettings = {
    claims: {},
    provisioner: "factory",
    roots: [root],
    intermediate,
    cross: [],
    ...options,
  };
  const provisioner = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const [port, plainPort] = [await freePort(), await freePort()];
  const crlUrl = `http://127.0.0.1:${plainPort}/1.0/crl`;
  const path = (name: string): string => join(directory, name);
  const template = `{"subject": {{ toJson .Subject }}, "sans": {{ toJson .SANs }}, "keyUsage": ["digitalSignature"],
    "extKeyUsage": ["serverAuth", "clientAuth"], "crlDistributionPoints": ["${crlUrl}"]}`;
  const configure = async (): Promise<void> => {
    const { roots, intermediate: issuer, cross, claims, provisioner: name } = settings;
    for (const [index, each] of roots.entries()) {
      await writeFile(path(`root-${index}.crt`), each.certificatePem);
    }
    const bundle = [issuer, ...cross].map(({ certificatePem }) => certificatePem).join("");
    await writeFile(path("intermediate.crt"), bundle);
    await writeFile(path("intermediate.key"), issuer.keyPem, { mode: 0o600 });
    await writeFile(path("ca.json"), JSON.stringify(configOf(roots, claims, name)));
  };
  const configOf = (
    roots: readonly Authority[],
    claims: StepCaSettings["claims"],
    name: string,
  ) => ({
    root: roots.map((_, index) => path(`root-${index}.crt`)),
    crt: path("intermediate.crt"),
    key: path("intermediate.key"),
    address: `127.0.0.1:${port}`,
    insecureAddress: `127.0.0.1:${plainPort}`,
    dnsNames: ["127.0.0.1", "ca.test"],
    logger: { format: "text" },
    db: { type: "badgerv2", dataSource: path("db") },
    crl: { enabled: true, generateOnRevoke: true, cacheDuration: "1h", idpURL: crlUrl },
    authority: {
      provisioners: [
        {
          type: "JWK",
          name,
          claims,
          key: {
            ...provisioner.publicKey.export({ format: "jwk" }),
            kid: "factory",
            alg: "ES256",
            use: "sig",
          },
          options: { x509: { template } },
        },
      ],
    },
  });
  const start = async (): Promise<Child> => {
    await mkdir(path("db"), { recursive: true });
    await configure();
    const child = new Child([PROGRAM, path("ca.json")]);
    await child.waitFor("Serving HTTPS", (line) => /Serving HTTPS/.exec(line)?.[0]);
    return child;
  };
  const post = async (where: string, body: object): Promise<Record<string, unknown>> => {
    const { promise, resolve: done, reject } = Promise.withResolvers<string>();
    const asked = request(
      {
        host: "127.0.0.1",
        port,
        path: where,
        method: "POST",
        ca: root.certificatePem,
        headers: { "Content-Type": "application/json" },
      },
      (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += String(chunk);
        });
        response.on("end", () => {
          const good = response.statusCode === 200 || response.statusCode === 201;
          good ? done(text) : reject(new Error(`${where}: HTTP ${response.statusCode}: ${text}`));
        });
      },
    );
    asked.on("error", reject);
    asked.end(JSON.stringify(body));
    return JSON.parse(await promise) as Record<string, unknown>;
  };
  const token = (
    audience: string,
    sub: string,
    sans: readonly string[],
    claims: Readonly<Record<string, unknown>> = {},
  ): string =>
    signToken(provisioner.privateKey, {
      aud: `https://127.0.0.1${audience}`,
      iss: settings.provisioner,
      sub,
      sans,
      jti: randomUUID(),
      iat: Math.floor(Date.now() / 1000),
      exp: Math.floor(Date.now() / 1000) + 300,
      ...claims,
    });
  let child = await start();
  return {
    url: `https://127.0.0.1:${port}`,
    crlUrl,
    root,
    intermediate,
    async issue(cn) {
      const sans = [cn, "127.0.0.1", "localhost"];
      const key = path(`${cn}.key`);
      const { stdout } = await run([
        "openssl",
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-noenc",
        "-keyout",
        key,
        "-subj",
        `/CN=${cn}`,
        "-addext",
        `subjectAltName=DNS:${cn},IP:127.0.0.1,DNS:localhost`,
      ]);
      const { stdout: keyPem } = await run(["cat", key]);
      const reply = await post("/1.0/sign", { csr: stdout, ott: token("/1.0/sign", cn, sans) });
      return { certificatePem: (reply["certChain"] as string[]).join(""), keyPem: `${keyPem}\n` };
    },
    async revoke({ certificatePem }) {
      const { serial } = parseCertificate(certificatePem).summary;
      const decimal = BigInt(`0x${serial}`).toString();
      const ott = token("/1.0/revoke", decimal, []);
      await post("/1.0/revoke", {
        serial: decimal,
        reasonCode: 1,
        reason: "stolen",
        passive: true,
        ott,
      });
    },
    async wipe() {
      await child.stop();
      await rm(path("db"), { recursive: true, force: true });
      child = await start();
    },
    token: (sub, sans, claims) => token("/1.0/sign", sub, sans, claims),
    async restart(change = {}) {
      settings = { ...settings, ...change };
      await child.stop();
      child = await start();
    },
    async stop() {
      await child.stop();
    },
    async start() {
      child = await start();
    },
    pause: () => child.signal("SIGSTOP"),
    resume: () => child.signal("SIGCONT"),
    issued: () =>
      child.stderr.flatMap((line) => {
        const der = / certificate="?([\w+/]+=*)"? .* status=201 /.exec(line)?.[1];
        return der === undefined ? [] : [new X509Certificate(Buffer.from(der, "base64"))];
      }),
    async logged(pattern) {
      await child.waitFor(String(pattern), (line) => pattern.exec(line)?.[0]);
    },
    async [Symbol.asyncDispose]() {
      child.signal("SIGCONT");
      await child.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A compact JWS, ES256 (RFC 7515). */
function signToken(key: KeyObject, claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "ES256", typ: "JWT", kid: "factory" })}.${part(claims)}`;
  const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}
