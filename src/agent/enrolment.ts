/**
 * Enrolment: the device's first certificate from the configured authority, or a new one when the old
 * identity is lost or renewed no more.
 *
 *     key made -> kept in the store -> asked -> checked -> installed (origin "enrolment") -> key no longer pending
 *
 * The key is durable before the request leaves: when the answer is lost the next attempt asks for the same
 * key again. So is the answer before it is installed, which may fail: the token for it is spent. Everything is checked before a token is spent.
 */
import { createHash } from "node:crypto";
import { AgentError, isAgentError } from "../base/errors.ts";
import type { CertificateRequest } from "../identity/exchange/certificate-request.ts";
import {
  type EnrolmentRequest,
  type Issued,
  type Issuer,
  IssuerError,
} from "../identity/issuer.ts";
import type { CreatableAlgorithm, KeyProvider, OpenKey } from "../identity/keys/key-provider.ts";
import { formatMoment } from "../identity/span-words.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import type { TimeClaim } from "../identity/time/time-claim.ts";
import { parseCertificate } from "../identity/x509/certificate.ts";
import { CandidateRefused } from "../rotation/candidate-refused.ts";
import { issuedTimeClaim } from "../rotation/issued-time.ts";
import type { Installed } from "../rotation/rotation-ports.ts";
import type { Rotator } from "../rotation/rotator.ts";
import type { EnrolRequest } from "../sidecar/certificate-operations.ts";
import { configuredNames, type IssuerParts, openIssuer } from "./issuer.ts";

export interface EnrolmentParts extends IssuerParts {
  readonly keys: KeyProvider;
  readonly rotator: Pick<Rotator, "install">;
  /** What the certificate says of the time. */
  readonly claim: (claim: TimeClaim) => void;
  /** Default {@link openIssuer}. */
  readonly open?: typeof openIssuer;
}

export interface Enrolled {
  readonly issuer: Issuer["kind"];
  readonly issued: Issued;
  readonly installed: Installed;
}

/** The name of its key in the store while the answer is awaited. */
export const ENROLMENT_KEY = "enrolment";
/** What an authority has answered, until it is in force: `{v, asked, chainPem, rootPem, trustBundlePem}`. */
const ANSWER_NOTE = "enrolment-answer";
const LOST =
  "the authority may have answered all the same, and the token may be spent: give the same command again, and if the token is then refused have a new one made; the key is kept";

export class Enrolment {
  readonly #parts: EnrolmentParts;
  readonly #stopping = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
  }

  /**
   * One at a time; a second one waits, and then finds the device enrolled.
   *
   * @throws AgentError `ERR_ENROLLED`, `ERR_ISSUER_*`, `ERR_CERT_REFUSED`, `ERR_KEY_*`, `ERR_STORE_*`.
   */
  enroll(request: EnrolRequest, onStep: (words: string) => void = () => {}): Promise<Enrolled> {
    const run = this.#last.then(() => this.#enroll(request, onStep));
    this.#last = run.catch(() => undefined);
    return run;
  }

  /** The agent stops: an authority that hangs is waited for no longer. What was made so far is kept. */
  stop(): void {
    const words =
      "the agent is stopping, and the authority has not answered yet; give the same command again, the key is kept";
    this.#stopping.abort(new AgentError("ERR_RPC_DRAINING", words, { fields: { fix: LOST } }));
  }

  async #enroll(
    { token, again, algorithm }: EnrolRequest,
    onStep: (words: string) => void,
  ): Promise<Enrolled> {
    const { config, store, rotator } = this.#parts;
    this.#stopping.signal.throwIfAborted();
    this.#refuseEnrolled(again);
    const { open = openIssuer } = this.#parts;
    const issuer = await open(this.#parts);
    if (issuer === undefined) {
      throw new AgentError("ERR_ISSUER_NONE", "the configuration names no authority to enrol with");
    }
    const key = await this.#key(algorithm ?? "ecdsa-p256", onStep);
    const names = configuredNames(config) ?? namesInForce(store);
    const { reference } = key;
    const asked = digestOf(reference.spkiSha256, token, names);
    let issued = await this.#answerInHand(asked);
    if (issued === undefined) {
      issuer.assertAskable?.({ token, names });
      onStep(`asking ${config.issuer.url ?? config.issuer.csrDir} (${issuer.kind})`);
      issued = await this.#ask(issuer, { key, token, names }, asked);
    } else {
      onStep("using the certificate of the attempt before: nothing is asked, no token is spent");
    }
    onStep("checking the certificate, and putting it in force");
    const { chainPem } = issued;
    const trustBundlePem = withRoots(store, issued);
    const claim = issuedTimeClaim(issued, trustBundlePem);
    if (claim !== undefined) this.#parts.claim(claim);
    let installed: Installed;
    try {
      installed = await rotator.install(
        { key: reference, chainPem, trustBundlePem },
        // Somebody stands there and says that the identity shall change.
        { origin: "enrolment", force: again, answered: issued.answeredUs ?? false },
      );
    } catch (error) {
      if (isHopeless(error)) await store.dropNote(ANSWER_NOTE);
      throw error;
    }
    await store.dropNote(ANSWER_NOTE);
    await store.dropKey(ENROLMENT_KEY);
    return { issuer: issuer.kind, issued, installed };
  }

  async #ask(issuer: Issuer, request: EnrolmentRequest, asked: string): Promise<Issued> {
    const { store } = this.#parts;
    let issued: Issued;
    try {
      issued = await issuer.enroll(request, this.#stopping.signal);
    } catch (error) {
      throw explained(error, request.token);
    }
    const { chainPem, rootPem, trustBundlePem, answersUs: answeredUs } = issued;
    const note = { v: 1, asked, chainPem, rootPem, trustBundlePem, answeredUs };
    try {
      await store.writeNote(ANSWER_NOTE, Buffer.from(JSON.stringify(note)));
    } catch (error) {
      // The installation that follows tells of a disk that can't be written.
      if (!isAgentError(error)) throw error;
    }
    return issued;
  }

  /** The certificate of an attempt that ended before it was in force: the token for it is spent. */
  async #answerInHand(asked: string): Promise<Issued | undefined> {
    const { store, time } = this.#parts;
    try {
      const bytes = await store.readNote(ANSWER_NOTE);
      if (bytes === undefined) return undefined;
      const note = JSON.parse(Buffer.from(bytes).toString()) as Partial<Issued> & {
        readonly asked?: string;
      };
      const { chainPem = "", rootPem = "", trustBundlePem, answeredUs = false } = note;
      if (note.asked !== asked) return undefined;
      if (parseCertificate(chainPem).summary.notAfter < time.view().floorMs) return undefined;
      const answer = { chainPem, rootPem, trustBundlePem, answersUs: false, remarks: [] };
      return { ...answer, answeredUs: answeredUs === true };
    } catch (error) {
      if (error instanceof SyntaxError || isAgentError(error)) return undefined;
      throw error;
    }
  }

  #refuseEnrolled(again: boolean): void {
    const { current } = this.#parts.store;
    if (current === undefined || again) return;
    const { subject, serial, notAfter } = parseCertificate(current.chainPem).summary;
    throw new AgentError(
      "ERR_ENROLLED",
      `this device is ALREADY ENROLLED: ${subject || "it"} has certificate ${serial}, valid until ${formatMoment(notAfter)}`,
      { fields: { generation: current.number } },
    );
  }

  /** The key of an attempt before this one, else a new one; durable when this resolves. */
  async #key(algorithm: CreatableAlgorithm, onStep: (words: string) => void): Promise<OpenKey> {
    const { store, keys } = this.#parts;
    const kept = store.pendingKeys().get(ENROLMENT_KEY);
    if (kept !== undefined && kept.algorithm === algorithm) {
      onStep("using the key of the attempt before");
      return keys.open(kept);
    }
    onStep(`making a private key (${algorithm})`);
    const reference = await keys.create(algorithm);
    await store.keepKey(ENROLMENT_KEY, reference);
    return keys.open(reference);
  }
}

/** Tells one request from another; of a token, which is spent by then, nothing can be read from it. */
function digestOf(
  spkiSha256: string,
  token: string | undefined,
  names: CertificateRequest | undefined,
): string {
  const text = JSON.stringify([spkiSha256, token?.trim(), names]);
  return createHash("sha256").update(text).digest("hex");
}

/** Whether the certificate will never do; one whose time has not come waits for the clock to be set. */
function isHopeless(error: unknown): boolean {
  return (
    error instanceof CandidateRefused && !error.reasons.some(({ code }) => code === "not-yet-valid")
  );
}

/** An identity that is replaced keeps what it trusts. */
function withRoots(store: CertificateStore, { trustBundlePem, rootPem }: Issued): string {
  const held = store.current?.trustBundlePem;
  if (held === undefined) return trustBundlePem ?? rootPem;
  return held.includes(rootPem.trim()) ? held : `${held.trimEnd()}\n${rootPem}`;
}

function namesInForce({ current }: CertificateStore) {
  if (current === undefined) return undefined;
  const { commonNames, names } = parseCertificate(current.chainPem);
  const { dnsNames: dns, ipAddresses: ip, uris: uri } = names;
  return { commonName: commonNames[0] ?? "", sans: { dns, ip, uri } };
}

/** What the operator has to know of the token. */
function explained(error: unknown, token: string | undefined): unknown {
  if (!(error instanceof IssuerError) || !error.lostAnswer || token === undefined) return error;
  if (error.permanent) return error;
  const { code, reason, permanent, retryAfterMs, requestId, message } = error;
  return new IssuerError(code as ConstructorParameters<typeof IssuerError>[0], {
    ...{ reason, permanent, retryAfterMs, requestId, lostAnswer: true },
    words: message,
    fix: LOST,
    cause: error,
  });
}
