/**
 * What an authority has answered, from the moment that it was found to be for our key until the intent has
 * ended: who dies in between installs it, and asks for no second certificate. One note of the store,
 * written once for each answer.
 */
import { errorText, isAgentError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Issued } from "../identity/issuer.ts";
import { spkiSha256 as digestOf } from "../identity/keys/sealed-key-provider.ts";
import type { CertificateStore } from "../identity/store/certificate-store.ts";
import { parseCertificate } from "../identity/x509/certificate.ts";
import type { Intent } from "../queue/intent.ts";

export const ANSWER_NOTE = "renewal-answer";

export interface RenewalAnswersOptions {
  readonly store: CertificateStore;
  /** The time by which certificates are judged, Unix ms. */
  readonly nowMs: () => number;
  readonly log: Logger;
}

interface Kept extends Pick<Issued, "chainPem" | "rootPem" | "remarks"> {
  /** Of the intent: its id alone says nothing of another epoch of the store. */
  readonly epoch: string;
  readonly intent: string;
  readonly spkiSha256: string;
}

export class RenewalAnswers {
  readonly #options: RenewalAnswersOptions;
  /** One after another, so that none that has just come is taken for the one before and removed. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: RenewalAnswersOptions) {
    this.#options = options;
  }

  /**
   * Never rejects: an installation that follows tells of a disk that can't be written.
   *
   * @param spkiSha256 Of the key that the certificate is for.
   */
  keep(intent: Intent, spkiSha256: string, issued: Issued): Promise<void> {
    const { chainPem, rootPem, remarks } = issued;
    const { id, epoch } = intent;
    const kept = { v: 1, epoch, intent: id, spkiSha256, chainPem, rootPem, remarks };
    return this.#inTurn(() =>
      this.#options.store.writeNote(ANSWER_NOTE, Buffer.from(JSON.stringify(kept))),
    );
  }

  /**
   * The answer in hand; `undefined` when there is none for this intent and key, when it has ended, or when
   * it was in force and has failed. Never rejects.
   */
  async find({ id, epoch }: Intent, spkiSha256: string): Promise<Issued | undefined> {
    const { store, nowMs } = this.#options;
    const kept = await this.#inTurn(() => this.#read());
    if (kept === undefined || kept.intent !== id || kept.epoch !== epoch) return undefined;
    if (kept.spkiSha256 !== spkiSha256) return undefined;
    const { chainPem, rootPem, remarks } = kept;
    const { notAfter, fingerprint } = parseCertificate(chainPem).summary;
    if (notAfter <= nowMs()) return undefined;
    const hasFailed = store
      .history()
      .filter(({ mark }) => mark === "bad")
      .some((each) => parseCertificate(each.chainPem).summary.fingerprint === fingerprint);
    // It may be old by now, and so says nothing of the time.
    return hasFailed ? undefined : { chainPem, rootPem, remarks, answersUs: false };
  }

  /** Removes the one in hand unless it belongs to one of these intents. Never rejects. */
  clear(wanted: ReadonlySet<string>): Promise<void> {
    const { store } = this.#options;
    return this.#inTurn(async () => {
      const kept = await this.#read();
      if (kept !== undefined && wanted.has(kept.intent) && kept.epoch === store.epoch) return;
      // What makes no sense is removed as well; without a note this costs nothing.
      await store.dropNote(ANSWER_NOTE);
    });
  }

  async #read(): Promise<Kept | undefined> {
    const bytes = await this.#options.store.readNote(ANSWER_NOTE);
    return bytes === undefined ? undefined : parseKept(bytes);
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T | undefined> {
    const turn = this.#last.then(run).catch((error: unknown) => {
      const reason = errorText(error);
      this.#options.log.emit("renewal.unwritten", { note: ANSWER_NOTE, reason });
      return undefined;
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** `undefined` for a note that is none, or of a later version: the authority is asked again. */
function parseKept(bytes: Uint8Array): Kept | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
  const { v, epoch, intent, spkiSha256, chainPem, rootPem, remarks } = (value ?? {}) as Record<
    string,
    unknown
  >;
  if (v !== 1 || typeof epoch !== "string" || typeof intent !== "string") return undefined;
  if (typeof spkiSha256 !== "string" || typeof chainPem !== "string") return undefined;
  if (typeof rootPem !== "string" || !Array.isArray(remarks)) return undefined;
  if (!remarks.every((each) => typeof each === "string")) return undefined;
  try {
    if (digestOf(parseCertificate(chainPem).publicKey) !== spkiSha256) return undefined;
    parseCertificate(rootPem);
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
  return { epoch, intent, spkiSha256, chainPem, rootPem, remarks };
}
