/**
 * A directory of its own for one test, with an authority and certificates as PEM files, as a person
 * would have them beside `microedge.toml`.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LeafOptions, type TestPki, testPki } from "./certificates.ts";

/** Absolute paths of PEM files. */
export interface CredentialFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface Site extends AsyncDisposable {
  readonly directory: string;
  readonly pki: TestPki;
  /** Writes NAME.crt and NAME.key of a fresh leaf with that common name. */
  issue(name: string, options?: LeafOptions): Promise<CredentialFiles>;
  /** Writes a file into the directory; returns its absolute path. */
  write(name: string, text: string): Promise<string>;
}

/** Dispose it to remove the directory. */
export async function makeSite(): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), "microedge-test-"));
  const pki = await testPki();
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const ca = await write("ca.crt", pki.caPem);
  return {
    directory,
    pki,
    write,
    async issue(name, options) {
      const leaf = await pki.issue(name, options);
      const cert = await write(`${name}.crt`, leaf.certificatePem);
      const key = await write(`${name}.key`, leaf.keyPem);
      return { cert, key, ca };
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}
