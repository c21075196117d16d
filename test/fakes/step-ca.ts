/**
 * A real step-ca (`scripts/peers` builds it) on loopback: root and intermediate of its own, one JWK
 * provisioner, a CRL that is made anew on each revocation.
 */
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";
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

export async function startStepCa(): Promise<StepCa> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run scripts/peers`);
  const directory = await mkdtemp(join(tmpdir(), "microedge-step-ca-"));
  const shared = { days: 30, nowMs: Date.now(), random: systemRandom };
  const root = await createAuthority({ ...shared, cn: "Step Root" });
  const intermediate = await createAuthority({ ...shared, cn: "Step Intermediate", parent: root });
  const provisioner = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const [port, plainPort] = [await freePort(), await freePort()];
  const crlUrl = `http://127.0.0.1:${plainPort}/1.0/crl`;
  const path = (name: string): string => join(directory, name);
  await writeFile(path("root.crt"), root.certificatePem);
  await writeFile(path("intermediate.crt"), intermediate.certificatePem);
  await writeFile(path("intermediate.key"), intermediate.keyPem, { mode: 0o600 });
  const template = `{"subject": {{ toJson .Subject }}, "sans": {{ toJson .SANs }}, "keyUsage": ["digitalSignature"],
    "extKeyUsage": ["serverAuth", "clientAuth"], "crlDistributionPoints": ["${crlUrl}"]}`;
  const config = {
    root: path("root.crt"),
    crt: path("intermediate.crt"),
    key: path("intermediate.key"),
    address: `127.0.0.1:${port}`,
    insecureAddress: `127.0.0.1:${plainPort}`,
    dnsNames: ["127.0.0.1"],
    logger: { format: "text" },
    db: { type: "badgerv2", dataSource: path("db") },
    crl: { enabled: true, generateOnRevoke: true, cacheDuration: "1h", idpURL: crlUrl },
    authority: {
      provisioners: [
        {
          type: "JWK",
          name: "factory",
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
  };
  await writeFile(path("ca.json"), JSON.stringify(config));
  const start = async (): Promise<Child> => {
    await mkdir(path("db"), { recursive: true });
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
  const token = (audience: string, sub: string, sans: readonly string[]): string =>
    signToken(provisioner.privateKey, {
      aud: `https://127.0.0.1${audience}`,
      iss: "factory",
      sub,
      sans,
      jti: randomUUID(),
      iat: Math.floor(Date.now() / 1000),
      exp: Math.floor(Date.now() / 1000) + 300,
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
    async [Symbol.asyncDispose]() {
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
