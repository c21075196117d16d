/**
 * A step-ca for the demonstration: its files, as `step ca init` would write them, and a one-time token, as
 * `step ca token` would print it.
 */
import { generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Clock } from "../../host/clock.ts";
import type { Random } from "../../host/random.ts";

export interface DemoAuthority {
  /** "https://127.0.0.1:PORT" */
  readonly url: string;
  /** Of the root, as `issuer.root_sha256` wants it. */
  readonly rootSha256: string;
  /** Path of step-ca's configuration. */
  readonly config: string;
  /** Good for one certificate with these names, for five minutes. */
  token(subject: string, sans: readonly string[]): string;
}

const DAYS = 30;
const TOKEN_SECONDS = 300;
const PROVISIONER = "factory";

/** Makes an authority with root, intermediate and one provisioner in a new directory. */
export async function makeAuthority(
  directory: string,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<DemoAuthority> {
  const { createAuthority } = await import("../../identity/x509/issue.ts");
  const validity = { days: DAYS, nowMs: clock.now(), random };
  const root = await createAuthority({ ...validity, cn: "Demo Root" });
  const intermediate = await createAuthority({
    ...validity,
    cn: "Demo Intermediate",
    parent: root,
  });
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const address = `127.0.0.1:${await freePort()}`;
  const at = (name: string): string => join(directory, name);
  await mkdir(at("db"), { recursive: true });
  await writeFile(at("root.crt"), root.certificatePem);
  await writeFile(at("intermediate.crt"), intermediate.certificatePem);
  await writeFile(at("intermediate.key"), intermediate.keyPem, { mode: 0o600 });
  const key = {
    ...publicKey.export({ format: "jwk" }),
    kid: PROVISIONER,
    alg: "ES256",
    use: "sig",
  };
  const config = {
    root: at("root.crt"),
    crt: at("intermediate.crt"),
    key: at("intermediate.key"),
    address,
    dnsNames: ["127.0.0.1"],
    db: { type: "badgerv2", dataSource: at("db") },
    authority: { provisioners: [{ type: "JWK", name: PROVISIONER, key }] },
  };
  await writeFile(at("ca.json"), JSON.stringify(config), { mode: 0o600 });
  const { fingerprint256 } = new X509Certificate(root.certificatePem);
  return {
    url: `https://${address}`,
    rootSha256: fingerprint256.replaceAll(":", "").toLowerCase(),
    config: at("ca.json"),
    token(subject, sans) {
      const nowSeconds = Math.floor(clock.now() / 1000);
      return signToken(privateKey, {
        aud: `https://${address}/1.0/sign`,
        iss: PROVISIONER,
        sub: subject,
        sans,
        jti: Buffer.from(random.bytes(16)).toString("hex"),
        iat: nowSeconds,
        exp: nowSeconds + TOKEN_SECONDS,
      });
    },
  };
}

/** A compact JWS, ES256 (RFC 7515, section 3.1; RFC 7518, section 3.4). */
function signToken(key: KeyObject, claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "ES256", typ: "JWT", kid: PROVISIONER })}.${part(claims)}`;
  const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}

/** step-ca must come back where it was, so it can't have just any port each time. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
