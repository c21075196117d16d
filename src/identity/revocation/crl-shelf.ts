/**
 * The CRLs in force, one per authority and distribution point. What stands here was signed by an
 * authority that we trust, and neither its number nor its date has ever gone back.
 */
import { Turns } from "../../base/turns.ts";
import { formatMoment } from "../span-words.ts";
import { isTimeTrusted, type TimeView } from "../time/time-view.ts";
import { type CrlFrame, openCrl, readEntries } from "./crl.ts";
import { CLOCK_SKEW_MS } from "./freshness.ts";
import { type Issuer, type IssuerPool, maySignCrls } from "./issuer-pool.ts";
import { refuse } from "./refusal.ts";
import type { RevokedSerials } from "./revoked-serials.ts";
import { isSignedBy } from "./signed-der.ts";

export interface CrlInForce {
  /** File or URL that it came from. */
  readonly source: string;
  readonly issuer: Issuer;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly number: bigint | undefined;
  readonly pointUrls: readonly string[];
  readonly serials: RevokedSerials;
}

/** Together, what {@link RevokedSerials.bytes} says. */
export const MAX_SHELF_BYTES = 8 * 1024 * 1024;
const MAX_CRLS = 32;

export interface Shelved {
  readonly crl: CrlInForce;
  readonly changed: boolean;
}

export interface ShelfParts {
  readonly pool: IssuerPool;
  time(): TimeView;
  /** Lets others have their turn while a long list is read. */
  breathe(): Promise<void>;
}

export class CrlShelf {
  readonly #parts: ShelfParts;
  readonly #crls = new Map<string, CrlInForce>();
  readonly #turns = new Turns();

  constructor(parts: ShelfParts) {
    this.#parts = parts;
  }

  all(): readonly CrlInForce[] {
    return [...this.#crls.values()];
  }

  of(issuer: Issuer): readonly CrlInForce[] {
    return this.all().filter((crl) => crl.issuer.key === issuer.key);
  }

  /**
   * Checks a CRL and puts it in force.
   *
   * @returns what is in force then, and whether it is new.
   * @throws AgentError `ERR_REVOCATION_SOURCE`; what was in force stays.
   */
  put(der: Uint8Array, source: string): Promise<Shelved> {
    // one after another: two big lists at once would need twice the memory
    return this.#turns.take(() => this.#put(der, source));
  }

  async #put(der: Uint8Array, source: string): Promise<Shelved> {
    const frame = openCrl(der);
    const issuer = this.#signerOf(frame);
    const key = `${issuer.key} ${frame.pointUrls.join(" ")}`;
    const old = this.#crls.get(key);
    if (old !== undefined && isSame(old, frame)) return { crl: old, changed: false };
    this.#refuseStep(frame, old);
    const serials = await readEntries(frame, this.#parts.breathe);
    this.#refuseSize(key, serials.bytes);
    const { thisUpdate, nextUpdate, number, pointUrls } = frame;
    const crl = { source, issuer, thisUpdate, nextUpdate, number, pointUrls, serials };
    this.#crls.set(key, crl);
    return { crl, changed: true };
  }

  /** Forgets the CRLs of sources that are no longer configured. */
  retain(sources: ReadonlySet<string>): void {
    for (const [key, { source }] of [...this.#crls]) {
      if (!sources.has(source)) this.#crls.delete(key);
    }
  }

  #signerOf(frame: CrlFrame): Issuer {
    const named = this.#parts.pool.named(frame.issuerName);
    if (named.length === 0) {
      throw refuse(
        "unknown-issuer",
        "no authority that is trusted here has the name of its issuer",
      );
    }
    const signer = named.find(({ certificate }) => isSignedBy(frame.signed, certificate.publicKey));
    const words = named[0]?.certificate.summary.subject ?? "";
    if (signer === undefined) {
      throw refuse("signature", `it was not signed by ${words}, whose name it carries`);
    }
    if (!maySignCrls(signer.certificate)) {
      throw refuse("signature", `${words} may not sign CRLs: its key usage lacks cRLSign`);
    }
    return signer;
  }

  #refuseStep({ thisUpdate, number }: CrlFrame, old: CrlInForce | undefined): void {
    const time = this.#parts.time();
    if (isTimeTrusted(time) && thisUpdate > time.nowMs + CLOCK_SKEW_MS) {
      throw refuse("future", `it begins at ${formatMoment(thisUpdate)}, which is not yet`);
    }
    if (old === undefined) return;
    if (old.number !== undefined && (number === undefined || number < old.number)) {
      const now = number === undefined ? "it has none" : `it is ${number}`;
      throw refuse("went-back", `its CRL number went back: ${old.number} is in force, ${now}`);
    }
    if (thisUpdate < old.thisUpdate) {
      const [was, is] = [formatMoment(old.thisUpdate), formatMoment(thisUpdate)];
      throw refuse(
        "went-back",
        `its date went back: the one in force is of ${was}, it is of ${is}`,
      );
    }
  }

  #refuseSize(key: string, bytes: number): void {
    const others = [...this.#crls].filter(([other]) => other !== key);
    const held = others.reduce((sum, [, { serials }]) => sum + serials.bytes, 0);
    if (others.length >= MAX_CRLS || held + bytes > MAX_SHELF_BYTES) {
      throw refuse("too-large", `all CRLs together would take more than ${MAX_SHELF_BYTES} bytes`);
    }
  }
}

function isSame(old: CrlInForce, frame: CrlFrame): boolean {
  return (
    old.number === frame.number &&
    old.thisUpdate === frame.thisUpdate &&
    old.nextUpdate === frame.nextUpdate
  );
}
