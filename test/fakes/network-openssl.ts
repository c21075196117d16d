/**
 * `openssl s_client` and `openssl s_server` on loopback: unlike Node it refuses client certificates with a TLS alert, as Go
 * peers do.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Issued } from "#src/identity/x509/issue.ts";

export interface OpensslServer extends AsyncDisposable {
  readonly port: number;
}

/** Demands a client certificate that chains to `caPem`. @param connections After so many it ends. */
export async function startOpenssl(
  leaf: Issued,
  caPem: string,
  connections = 4,
): Promise<OpensslServer> {
  const dir = mkdtempSync(join(tmpdir(), "s-server-"));
  writeFileSync(join(dir, "leaf.pem"), leaf.certificatePem + leaf.keyPem, { mode: 0o600 });
  writeFileSync(join(dir, "ca.pem"), caPem);
  const child = spawn(
    "openssl",
    [
      ...["s_server", "-accept", "127.0.0.1:0", "-tls1_3", "-naccept", String(connections)],
      ...["-cert", "leaf.pem", "-key", "leaf.pem", "-CAfile", "ca.pem"],
      ...["-Verify", "3", "-verify_return_error"],
    ],
    { cwd: dir, stdio: ["pipe", "pipe", "ignore"] },
  );
  let text = "";
  while (!/ACCEPT [^\n]*:(\d+)/.test(text)) {
    const [chunk] = (await once(child.stdout, "data")) as [Uint8Array];
    text += String(chunk);
  }
  return {
    port: Number(/ACCEPT [^\n]*:(\d+)/.exec(text)?.[1]),
    async [Symbol.asyncDispose]() {
      const gone = once(child, "exit");
      if (child.exitCode === null) {
        child.kill();
        await gone;
      }
      rmSync(dir, { recursive: true });
    },
  };
}

/**
 * `openssl s_client` that hangs up, with an alert, on a server that it can't verify by `caPem`.
 * Resolves when it has ended.
 */
export async function dialOpenssl(
  port: number,
  caPem: string,
  flags: readonly string[] = [],
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "s-client-"));
  writeFileSync(join(dir, "ca.pem"), caPem);
  const child = spawn(
    "openssl",
    [
      ...["s_client", "-connect", `127.0.0.1:${port}`, "-CAfile", "ca.pem"],
      ...["-verify_return_error", ...flags],
    ],
    { cwd: dir, stdio: ["ignore", "ignore", "ignore"], timeout: 10_000 },
  );
  await once(child, "exit");
  rmSync(dir, { recursive: true });
}
