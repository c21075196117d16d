/**
 * A small EST server (RFC 7030) on loopback: `/cacerts`, `/simpleenroll` with user name and password or a
 * client certificate, `/simplereenroll` with a client certificate. Certificates and PKCS#7 are OpenSSL's.
 */
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { systemRandom } from "#src/host/random.ts";
import { type Authority, createAuthority, issueCertificate } from "#src/identity/x509/issue.ts";
import { run } from "./child.ts";

export interface EstServer extends AsyncDisposable {
  readonly url: string;
  readonly root: Authority;
  readonly intermediate: Authority;
  /** `POST /.well-known/est/simpleenroll`, in order. */
  readonly asked: string[];
  /** The next enrolments are put off so often, by 202 and so many seconds. */
  postpone: { times: number; seconds: number } | undefined;
  /** Whether answers hold the leaf alone, as they may. */
  leafOnly: boolean;
  /** Days that certificates live. */
  days: number;
  /** Takes the place of every answer. */
  instead: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  /** Label in the path. */
  readonly label: string;
}

const USER = `Basic ${Buffer.from("factory:s3cret").toString("base64")}`;

export async function startEstServer(label = ""): Promise<EstServer> {
  const directory = await mkdtemp(join(tmpdir(), "microedge-est-"));
  const path = (name: string): string => join(directory, name);
  const shared = { days: 300, nowMs: Date.now(), random: systemRandom };
  const root = await createAuthority({ ...shared, cn: "EST Root" });
  const intermediate = await createAuthority({ ...shared, cn: "EST Intermediate", parent: root });
  await writeFile(path("ca.crt"), intermediate.certificatePem);
  await writeFile(path("ca.key"), intermediate.keyPem, { mode: 0o600 });
  const own = await issueCertificate({
    ...{ ...shared, authority: intermediate, cn: "est", usages: ["server"] },
    sans: { ip: ["127.0.0.1"] },
  });
  const openssl = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await run(["openssl", ...args], { cwd: directory });
    if (code !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
  };
  const bag = async (pem: string): Promise<string> => {
    await writeFile(path("bag.pem"), pem);
    await openssl(
      "crl2pkcs7",
      "-nocrl",
      "-certfile",
      "bag.pem",
      "-outform",
      "DER",
      "-out",
      "bag.p7",
    );
    return (await readFile(path("bag.p7"))).toString("base64").replace(/.{76}/g, "$&\r\n");
  };
  const sign = async (csr: Uint8Array): Promise<string> => {
    await writeFile(path("in.csr"), csr);
    // OpenSSL checks the request's own signature before it signs.
    const ca = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
    await writeFile(
      path("ext"),
      "extendedKeyUsage=serverAuth,clientAuth\nkeyUsage=critical,digitalSignature\n",
    );
    await openssl(
      ...["x509", "-req", "-inform", "DER", "-in", "in.csr", "-out", "leaf.crt", ...ca],
      ...["-days", String(server.days), "-copy_extensions", "copy", "-extfile", "ext"],
    );
    return readFile(path("leaf.crt"), "utf8");
  };
  const reply = (response: ServerResponse, body: string): void => {
    response.writeHead(200, {
      "Content-Type": "application/pkcs7-mime; smime-type=certs-only",
      "Content-Transfer-Encoding": "base64",
    });
    response.end(body);
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    server.asked.push(`${request.method} ${request.url}`);
    if (server.instead?.(request, response) === true) return;
    const operation = (request.url ?? "").replace(`/.well-known/est/${label && `${label}/`}`, "");
    if (operation === "cacerts") {
      reply(response, await bag(root.certificatePem + intermediate.certificatePem));
      return;
    }
    const { authorized } = request.socket as TLSSocket;
    const known =
      authorized || (operation === "simpleenroll" && request.headers.authorization === USER);
    if (operation !== "simpleenroll" && operation !== "simplereenroll") {
      response.writeHead(404).end();
    } else if (!known) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="est"' }).end();
    } else if (request.headers["content-type"] !== "application/pkcs10") {
      response.writeHead(400).end();
    } else if (server.postpone !== undefined && server.postpone.times > 0) {
      server.postpone.times -= 1;
      response.writeHead(202, { "Retry-After": String(server.postpone.seconds) }).end();
    } else {
      const leaf = await sign(Buffer.from(Buffer.concat(chunks).toString("latin1"), "base64"));
      reply(response, await bag(server.leafOnly ? leaf : leaf + intermediate.certificatePem));
    }
  };
  const web = createServer(
    {
      cert: own.certificatePem + intermediate.certificatePem,
      key: own.keyPem,
      ca: root.certificatePem,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => void answer(request, response),
  );
  web.listen(0, "127.0.0.1");
  await once(web, "listening");
  const server: EstServer = {
    url: `https://127.0.0.1:${(web.address() as AddressInfo).port}`,
    root,
    intermediate,
    asked: [],
    postpone: undefined,
    leafOnly: false,
    days: 30,
    instead: undefined,
    label,
    async [Symbol.asyncDispose]() {
      web.closeAllConnections();
      web.close();
      await once(web, "close");
      await rm(directory, { recursive: true, force: true });
    },
  };
  return server;
}
