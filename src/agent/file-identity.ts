/**
 * The device's certificate in the three files of `[tls]`: somebody else puts them there, so there is
 * much to see and nothing to change.
 */
import { AgentError } from "../base/errors.ts";
import { type FileSource, openFileSource } from "../identity/file-source.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";
import type { CertificateOperations, IdentityView } from "../sidecar/certificate-operations.ts";
import type { AgentPorts } from "./agent-ports.ts";
import { certificateView, fileKeyView, intermediatesOf } from "./certificate-views.ts";
import type { AgentConfig, TlsFiles } from "./config.ts";
import { noCertificates } from "./no-store.ts";
import type { IdentityUse, OwnIdentity } from "./own-identity.ts";

/** @throws AgentError `ERR_TLS_MATERIAL` when the files can't be used. */
export async function openFileIdentity(
  files: TlsFiles,
  config: AgentConfig,
  ports: Pick<AgentPorts, "files" | "clock" | "log">,
  use: IdentityUse,
): Promise<OwnIdentity> {
  const source = await openFileSource({
    paths: { cert: files.certPath, key: files.keyPath, ca: files.caPath },
    trustDomains: config.acl?.bundles ?? [],
    reloadIntervalMs: config.tls.reloadIntervalMs,
    files: ports.files,
    clock: ports.clock,
    log: ports.log.log,
  });
  return new FileIdentity(source, files, use);
}

class FileIdentity implements OwnIdentity {
  readonly source: FileSource;
  readonly certificates: CertificateOperations;

  constructor(source: FileSource, files: TlsFiles, use: IdentityUse) {
    this.source = source;
    this.certificates = fileCertificates(this, files, use);
  }

  get leaf() {
    return this.source.leaf;
  }

  get warnings(): readonly string[] {
    return this.source.warnings;
  }

  get refusal(): string | undefined {
    return this.source.refusal?.join("; ");
  }

  view(): IdentityView {
    const leaf = this.leaf === undefined ? undefined : certificateView(this.leaf);
    return {
      source: "files",
      generation: undefined,
      state: undefined,
      words: undefined,
      notAfter: leaf?.notAfter,
      serial: leaf?.serial,
      spiffeId: leaf?.spiffeId,
      epoch: undefined,
      store: undefined,
    };
  }

  apply(config: AgentConfig): void {
    this.source.follow(config.acl?.bundles ?? []);
  }

  reload() {
    return this.source.reload();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.source[Symbol.asyncDispose]();
  }
}

function fileCertificates(
  identity: FileIdentity,
  files: TlsFiles,
  use: IdentityUse,
): CertificateOperations {
  const { certPath, keyPath, caPath } = files;
  return {
    ...noCertificates(
      `the certificate comes from ${certPath}, ${keyPath} and ${caPath}: replace the files, which takes effect by itself`,
    ),
    async show() {
      const { source, leaf, warnings } = identity;
      if (leaf === undefined) throw new AgentError("ERR_IDENTITY_NONE", "there is no certificate");
      return {
        identity: identity.view(),
        leaf: certificateView(leaf),
        intermediates: intermediatesOf(source.current.chainPem),
        key: fileKeyView(leaf.publicKey, keyPath),
        digest: source.current.digest,
        usedBy: use.usedBy(),
        warnings,
      };
    },
    async trust() {
      const authorities = parseTrustBundle(identity.source.current.trustBundlePem);
      return {
        authorities: authorities.map(certificateView),
        overlapUntil: undefined,
        leaving: [],
      };
    },
  };
}
