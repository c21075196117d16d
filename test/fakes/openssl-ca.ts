/** An authority run by OpenSSL's own commands: `openssl ca` with its index, and `openssl ocsp`. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Issued } from "#src/identity/x509/issue.ts";
import { run } from "./child.ts";

export interface OpensslCa extends AsyncDisposable {
  readonly directory: string;
  readonly caPem: string;
  /** @param extensions Further lines of the extension section: `tlsfeature = status_request`. */
  issue(cn: string, extensions?: readonly string[]): Promise<Issued>;
  revoke(cn: string, reason: string): Promise<void>;
  /** `openssl ca -gencrl`. @param flags Further ones. */
  crl(flags?: readonly string[]): Promise<Uint8Array>;
  /** What `openssl ocsp` answers a request with. */
  answer(request: Uint8Array, flags?: readonly string[]): Promise<Uint8Array>;
}

const CONFIG = `[ca]
default_ca = site
[site]
dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.crt
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any
unique_subject = no
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid
[any]
commonName = supplied
`;

/** @param keyType Flags of `openssl req` that make the key. */
export async function startOpensslCa(keyType: readonly string[]): Promise<OpensslCa> {
  const directory = await mkdtemp(join(tmpdir(), "microedge-openssl-ca-"));
  const path = (name: string): string => join(directory, name);
  const openssl = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await run(["openssl", ...args], { cwd: directory });
    if (code !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
  };
  let asked = 0;
  await writeFile(path("ca.cnf"), CONFIG);
  await writeFile(path("index.txt"), "");
  await writeFile(path("serial"), "1000\n");
  await writeFile(path("crlnumber"), "01\n");
  const authority = [
    "-addext",
    "basicConstraints=critical,CA:TRUE",
    "-addext",
    "keyUsage=critical,keyCertSign,cRLSign",
  ];
  await openssl(
    "req",
    "-x509",
    ...keyType,
    "-noenc",
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-subj",
    "/CN=OpenSSL CA",
    "-days",
    "30",
    ...authority,
  );
  return {
    directory,
    caPem: await readFile(path("ca.crt"), "utf8"),
    async issue(cn, extensions = []) {
      const lines = [
        "basicConstraints=CA:FALSE",
        "keyUsage=digitalSignature",
        "extendedKeyUsage=serverAuth,clientAuth",
        "subjectAltName=IP:127.0.0.1",
        ...extensions,
      ];
      await writeFile(path("leaf.ext"), `${lines.join("\n")}\n`);
      await openssl(
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-noenc",
        "-keyout",
        `${cn}.key`,
        "-out",
        `${cn}.csr`,
        "-subj",
        `/CN=${cn}`,
      );
      await openssl(
        "ca",
        "-config",
        "ca.cnf",
        "-batch",
        "-notext",
        "-extfile",
        "leaf.ext",
        "-in",
        `${cn}.csr`,
        "-out",
        `${cn}.crt`,
      );
      return {
        certificatePem: await readFile(path(`${cn}.crt`), "utf8"),
        keyPem: await readFile(path(`${cn}.key`), "utf8"),
      };
    },
    revoke: (cn, reason) =>
      openssl("ca", "-config", "ca.cnf", "-revoke", `${cn}.crt`, "-crl_reason", reason),
    async crl(flags = []) {
      await openssl("ca", "-config", "ca.cnf", "-gencrl", "-out", "site.crl", ...flags);
      return readFile(path("site.crl"));
    },
    async answer(request, flags = []) {
      asked += 1;
      const [reqin, respout] = [`request-${asked}.der`, `answer-${asked}.der`];
      await writeFile(path(reqin), request);
      await openssl(
        "ocsp",
        "-index",
        "index.txt",
        "-CA",
        "ca.crt",
        "-rsigner",
        "ca.crt",
        "-rkey",
        "ca.key",
        "-reqin",
        reqin,
        "-respout",
        respout,
        ...flags,
      );
      return readFile(path(respout));
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}
