/**
 * What can be asked of the certificate store, and done to it.
 */
import { AgentError } from "../base/errors.ts";
import type { Random } from "../host/random.ts";
import { assembleChain } from "../identity/exchange/chain-assembly.ts";
import { exportPem, exportPkcs12 } from "../identity/exchange/key-export.ts";
import type {
  CreatableAlgorithm,
  KeyProvider,
  KeyReference,
} from "../identity/keys/key-provider.ts";
import { spkiSha256 } from "../identity/keys/sealed-key-provider.ts";
import { splitPem } from "../identity/pem.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { Generation } from "../identity/store/generation.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";
import { parseCertificate } from "../identity/x509/certificate.ts";
import { CandidateRefused } from "../rotation/candidate-refused.ts";
import type { Rotator } from "../rotation/rotator.ts";
import type { StoreSource } from "../rotation/store-source.ts";
import type {
  CertificateOperations,
  EnrolRequest,
  EnrolView,
  ExportRequest,
  ExportView,
  GenerationView,
  IdentityView,
  ImportRequest,
  InstallView,
  OwnCertificateView,
  PendingKeyView,
  TrustView,
} from "../sidecar/certificate-operations.ts";
import { certificateView, intermediatesOf, keyView } from "./certificate-views.ts";
import type { Enrolment } from "./enrolment.ts";
import type { IdentityUse } from "./own-identity.ts";

export interface StoreCertificatesOptions {
  readonly identity: {
    readonly rotator: Rotator;
    readonly source: StoreSource;
    readonly warnings: readonly string[];
    view(): IdentityView;
  };
  readonly store: CertificateStore;
  readonly keys: KeyProvider;
  readonly random: Random;
  readonly use: IdentityUse;
  readonly enrolment: Pick<Enrolment, "enroll">;
}

export class StoreCertificates implements CertificateOperations {
  readonly #options: StoreCertificatesOptions;

  constructor(options: StoreCertificatesOptions) {
    this.#options = options;
  }

  async show(): Promise<OwnCertificateView> {
    const { identity, use } = this.#options;
    const { leaf, generation, material } = this.#inForce();
    return {
      identity: identity.view(),
      leaf: certificateView(leaf),
      intermediates: intermediatesOf(material.chainPem),
      key: keyView(generation.key),
      digest: generation.digest,
      usedBy: use.usedBy(),
      warnings: identity.warnings,
    };
  }

  async install(request: ImportRequest): Promise<InstallView> {
    const { identity, store } = this.#options;
    const { key, pendingName, chainPem, notes } = await this.#keyAndChain(request);
    const trustBundlePem = request.trustPem ?? store.current?.trustBundlePem;
    if (trustBundlePem === undefined) {
      throw new AgentError(
        "ERR_IMPORT_INVALID",
        "the store is empty, so the import needs a trust bundle: add --ca FILE",
      );
    }
    const content = { key, chainPem, trustBundlePem };
    if (request.dryRun) {
      const report = await identity.rotator.check(content, request.force);
      if (report.reasons.length > 0 || report.leaf === undefined) {
        throw new CandidateRefused(report.reasons);
      }
      return {
        identity: identity.view(),
        outcome: "checked",
        generation: undefined,
        leaf: certificateView(report.leaf),
        key: keyView(key),
        warnings: report.warnings,
        notes,
      };
    }
    const { outcome, generation, warnings } = await identity.rotator.install(content, {
      origin: "import",
      force: request.force,
    });
    if (pendingName !== undefined) await store.dropKey(pendingName);
    return {
      identity: identity.view(),
      outcome,
      generation: generation.number,
      leaf: certificateView(parseCertificate(generation.chainPem)),
      key: keyView(generation.key),
      warnings,
      notes,
    };
  }

  async enroll(request: EnrolRequest, onStep?: (words: string) => void): Promise<EnrolView> {
    const { identity, enrolment } = this.#options;
    const { issuer, installed, issued } = await enrolment.enroll(request, onStep);
    const { generation, warnings } = installed;
    return {
      identity: identity.view(),
      issuer,
      generation: generation.number,
      leaf: certificateView(parseCertificate(generation.chainPem)),
      key: keyView(generation.key),
      warnings,
      remarks: issued.remarks,
      requestId: issued.requestId,
    };
  }

  async export({ format, passphrase = "" }: ExportRequest): Promise<ExportView> {
    const { random } = this.#options;
    const { leaf, key, material } = this.#inForce();
    const { chainPem, trustBundlePem } = material;
    const name = leaf.commonNames[0] ?? "device";
    const options = { key, chainPem, friendlyName: name, passphrase, random };
    const file = (ending: string, bytes: string | Uint8Array, secret = false) => ({
      name: ending,
      base64: Buffer.from(bytes).toString("base64"),
      secret,
    });
    const trust = file("ca.pem", trustBundlePem);
    switch (format) {
      case "certificates":
        return { files: [file("chain.pem", chainPem), trust] };
      case "pem":
        return { files: [file("device.pem", await exportPem(options), true), trust] };
      case "pkcs12":
        return { files: [file("device.p12", await exportPkcs12(options), true), trust] };
    }
  }

  async history(): Promise<readonly GenerationView[]> {
    const { store } = this.#options;
    return store.history().map((generation) => ({
      generation: generation.number,
      role: roleOf(generation, store),
      mark: generation.mark,
      origin: generation.origin,
      createdAt: generation.createdAt,
      digest: generation.digest,
      leaf: certificateView(parseCertificate(generation.chainPem)),
      key: keyView(generation.key),
      reasons: generation.reasons.map(({ code, words }) => ({ code, words })),
    }));
  }

  async trust(): Promise<TrustView> {
    const { identity } = this.#options;
    const { material } = this.#inForce();
    const overlap = identity.rotator.status()?.overlap;
    return {
      authorities: parseTrustBundle(material.trustBundlePem).map(certificateView),
      overlapUntil: overlap?.until,
      leaving: overlap?.leaving ?? [],
    };
  }

  async replaceTrust(trustPem: string, overlapMs: number): Promise<TrustView> {
    await this.#options.identity.rotator.replaceTrust(trustPem, { overlapMs });
    return this.trust();
  }

  async keys(): Promise<readonly PendingKeyView[]> {
    const { current, previous, next } = this.#options.store;
    const named: readonly (readonly [string, KeyReference | undefined])[] = [
      ["current", current?.key],
      ["previous", previous?.key],
      ["next", next?.key],
      ...this.#options.store.pendingKeys(),
    ];
    return named.flatMap(([name, key]) => (key === undefined ? [] : [{ name, ...keyView(key) }]));
  }

  async createKey(name: string, algorithm: CreatableAlgorithm): Promise<PendingKeyView> {
    const { store, keys } = this.#options;
    if (store.pendingKeys().has(name)) {
      throw new AgentError("ERR_FILE_EXISTS", `the store has a key called ${name} already`, {
        fields: {
          fix: "choose another name; a key that waits for its certificate is not replaced",
        },
      });
    }
    const key = await keys.create(algorithm);
    await store.keepKey(name, key);
    return { name, ...keyView(key) };
  }

  /** @throws AgentError `ERR_IDENTITY_NONE`. */
  #inForce() {
    const { snapshot, absent } = this.#options.identity.source;
    if (snapshot === undefined) throw new AgentError("ERR_IDENTITY_NONE", absent ?? "");
    return snapshot;
  }

  /** The key of the files, else the one of the store that belongs to one of the certificates. */
  async #keyAndChain({ certificatesPem, keyPem }: ImportRequest) {
    const { store, keys } = this.#options;
    if (keyPem !== undefined) {
      const key = await keys.import(keyPem);
      const { publicKey } = await keys.open(key);
      const { chainPem, remarks } = assembleChain(blocksOf(certificatesPem), publicKey, "pass-on");
      return { key, pendingName: undefined, chainPem, notes: remarks };
    }
    const blocks = blocksOf(certificatesPem);
    const wanted = new Set(blocks.map((block) => spkiSha256(parseCertificate(block).publicKey)));
    const pending = [...store.pendingKeys()].find(([, { spkiSha256 }]) => wanted.has(spkiSha256));
    // also that of the generation before: going back by hand must not need an export
    const own = [store.current?.key, store.previous?.key].find(
      (key) => key !== undefined && wanted.has(key.spkiSha256),
    );
    const [pendingName, key] = pending ?? [undefined, own];
    if (key === undefined) {
      throw new AgentError(
        "ERR_IMPORT_INVALID",
        "there is no private key for any of the certificates: not in the files, and not in the store",
        { fields: { fix: "add --key FILE; `microedge key list` shows the keys of the store" } },
      );
    }
    const { publicKey } = await keys.open(key);
    const { chainPem, remarks } = assembleChain(blocks, publicKey);
    return { key, pendingName, chainPem, notes: remarks };
  }
}

function blocksOf(pem: string): readonly string[] {
  return splitPem(pem)
    .filter(({ label }) => label.endsWith("CERTIFICATE"))
    .map(({ text }) => text);
}

function roleOf({ number }: Generation, store: CertificateStore): GenerationView["role"] {
  if (number === store.current?.number) return "current";
  if (number === store.previous?.number) return "previous";
  if (number === store.next?.number) return "next";
  return "old";
}
