/** Files of an identity as other programs make them: a root, an intermediate, a leaf, and PKCS#12. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRandom } from "#src/host/random.ts";
import { createAuthority, issueCertificate } from "#src/identity/x509/issue.ts";

export interface IdentityFiles extends Disposable {
  readonly dir: string;
  readonly rootPem: string;
  readonly intermediatePem: string;
  readonly leafPem: string;
  readonly keyPem: string;
  path(name: string): string;
  read(name: string): Uint8Array;
  write(name: string, content: string | Uint8Array): string;
  /** Runs a program in the directory; throws what it complained of when it fails. */
  run(program: string, ...parameters: string[]): string;
  /** What a program says on standard error, whatever its status. */
  complaints(program: string, ...parameters: string[]): string;
}

export async function identityFiles(): Promise<IdentityFiles> {
  const dir = mkdtempSync(join(tmpdir(), "microedge-keys-"));
  const nowMs = Date.now();
  const validity = { days: 30, nowMs, random: systemRandom };
  const root = await createAuthority({ cn: "Import root", ...validity });
  const middle = await createAuthority({ cn: "Import middle", parent: root, ...validity });
  const leaf = await issueCertificate({
    cn: "gateway-7",
    authority: middle,
    sans: { dns: ["gateway-7.example"], uri: ["spiffe://example.org/gateway/7"] },
    usages: ["server", "client"],
    ...validity,
  });
  const path = (name: string): string => join(dir, name);
  const start = (program: string, parameters: string[]) => {
    const env = { ...process.env, LC_ALL: "C.UTF-8", SOFTHSM2_CONF: path("softhsm.conf") };
    return spawnSync(program, parameters, { cwd: dir, env, encoding: "utf8", timeout: 60_000 });
  };
  const files: IdentityFiles = {
    dir,
    rootPem: root.certificatePem,
    intermediatePem: middle.certificatePem,
    leafPem: leaf.certificatePem,
    keyPem: leaf.keyPem,
    path,
    read: (name) => readFileSync(path(name)),
    write(name, content) {
      writeFileSync(path(name), content, { mode: 0o600 });
      return path(name);
    },
    run(program, ...parameters) {
      const ran = start(program, parameters);
      if (ran.status === 0) return ran.stdout;
      throw new Error(
        `${program} ${parameters.join(" ")}: ${ran.error ?? ran.stderr}${ran.stdout}`,
      );
    },
    complaints: (program, ...parameters) => start(program, parameters).stderr,
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
  files.write("leaf.key", leaf.keyPem);
  files.write("leaf.pem", leaf.certificatePem);
  files.write("cas.pem", middle.certificatePem + root.certificatePem);
  return files;
}
