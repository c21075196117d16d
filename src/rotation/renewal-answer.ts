/**
 * What an authority has answered, from the moment that it was found to be for our key until the intent has
 * ended: who dies in between installs it, and asks for no second certificate. One note of the store,
 * written once for each answer.
 */
import * as v from "valibot";
import { isAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { Turns } from "../base/turns.ts";
import type { Issued } from "../identity/issuer.ts";
import { spkiSha256 as digestOf } from "../identity/keys/sealed-key-provider.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { parseCertificate } from "../identity/x509/certificate.ts";
import type { Intent } from "../queue/intent.ts";
import { hasFailed } from "./identity-state.ts";
import { QuietNote } from "./quiet-note.ts";

export const ANSWER_NOTE = "renewal-answer";

export interface RenewalAnswersOptions {
  readonly store: CertificateStore;
  /** The time by which certificates are judged, Unix ms. */
  readonly nowMs: () => number;
  readonly log: Logger;
}

const shape = v.object({
  /** Of the intent: its id alone says nothing of another epoch of the store. */
  epoch: v.string(),
  intent: v.string(),
  ...{ spkiSha256: v.string(), chainPem: v.string(), rootPem: v.string() },
  remarks: v.array(v.string()),
  /** Of a version that did not keep it: no proof. */
  answeredUs: v.optional(v.boolean(), false),
});
type Kept = v.InferOutput<typeof shape>;

export class RenewalAnswers {
  readonly #options: RenewalAnswersOptions;
  readonly #note: QuietNote<Kept>;
  /** So that none that has just come is taken for the one before and removed. */
  readonly #turns = new Turns();

  constructor(options: RenewalAnswersOptions) {
    this.#options = options;
    this.#note = new QuietNote(options, ANSWER_NOTE, shape);
  }

  /**
   * Never rejects: an installation that follows tells of a disk that can't be written.
   *
   * @param spkiSha256 Of the key that the certificate is for.
   */
  keep(intent: Intent, spkiSha256: string, issued: Issued): Promise<void> {
    const { chainPem, rootPem, remarks, answersUs } = issued;
    const { id, epoch } = intent;
    const answer = { chainPem, rootPem, remarks: [...remarks], answeredUs: answersUs };
    const kept = { epoch, intent: id, spkiSha256, ...answer };
    return this.#turns.take(() => this.#note.write(kept));
  }

  /**
   * The answer in hand; `undefined` when there is none for this intent and key, when it has ended, or when
   * it was in force and has failed. Never rejects.
   */
  async find({ id, epoch }: Intent, spkiSha256: string): Promise<Issued | undefined> {
    const { store, nowMs } = this.#options;
    const kept = await this.#turns.take(() => this.#read());
    if (kept === undefined || kept.intent !== id || kept.epoch !== epoch) return undefined;
    if (kept.spkiSha256 !== spkiSha256) return undefined;
    const { chainPem, rootPem, remarks, answeredUs } = kept;
    const { notAfter, fingerprint } = parseCertificate(chainPem).summary;
    if (notAfter <= nowMs()) return undefined;
    const failed = store.history().filter(hasFailed);
    if (
      failed.some((each) => parseCertificate(each.chainPem).summary.fingerprint === fingerprint)
    ) {
      return undefined;
    }
    // It may be old by now, and so says nothing of the present.
    return { chainPem, rootPem, remarks, answersUs: false, answeredUs };
  }

  /** Removes the one in hand unless it belongs to one of these intents. Never rejects. */
  clear(wanted: ReadonlySet<string>): Promise<void> {
    const { store } = this.#options;
    return this.#turns.take(async () => {
      const kept = await this.#read();
      if (kept !== undefined && wanted.has(kept.intent) && kept.epoch === store.epoch) return;
      // What makes no sense is removed as well; without a note this costs nothing.
      await this.#note.drop();
    });
  }

  async #read(): Promise<Kept | undefined> {
    const kept = await this.#note.read();
    return kept !== undefined && isOfItsKey(kept) ? kept : undefined;
  }
}

function isOfItsKey({ chainPem, rootPem, spkiSha256 }: Kept): boolean {
  try {
    parseCertificate(rootPem);
    return digestOf(parseCertificate(chainPem).publicKey) === spkiSha256;
  } catch (error) {
    if (isAgentError(error)) return false;
    throw error;
  }
}
