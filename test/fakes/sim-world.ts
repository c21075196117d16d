/**
 * A world for one device: the true time, a network that comes and goes, an authority that is down at bad
 * moments, changes its root, and remembers what it was asked.
 */
import { createPrivateKey, createPublicKey } from "node:crypto";
import type { Clock, Timer } from "#src/host/clock.ts";
import {
  type Issued,
  type Issuer,
  IssuerError,
  type OwnIdentityForIssuer,
} from "#src/identity/issuer.ts";
import type { OpenKey } from "#src/identity/keys/key-provider.ts";
import { parseCertificate } from "#src/identity/x509/certificate.ts";
import type { Authority } from "#src/identity/x509/issue.ts";
import type { IssuerRoots } from "#src/issuers/issuer-roots.ts";
import { quickCertificate, quickRoot } from "./quick-certificate.ts";

export const DAY_MS = 86_400_000;
const CENTURY_MS = 36_500 * DAY_MS;

/** What an attempt meets; `up`: a certificate. */
export type Weather = "up" | "unreachable" | "busy" | "hang" | "captive-portal" | "lost-answer";

/** The clock of one run of the agent: ends with it, and may be wrong. */
export class RunClock implements Clock {
  /** Wall less truth, ms. */
  offsetMs = 0;
  #dead = false;
  readonly #truth: Clock;

  constructor(truth: Clock) {
    this.#truth = truth;
  }

  now(): number {
    return this.#truth.now() + this.offsetMs;
  }

  monotonicMs(): number {
    return this.#truth.monotonicMs();
  }

  setTimer(delayMs: number, run: () => void): Timer {
    if (this.#dead) return { cancel: () => undefined };
    return this.#truth.setTimer(delayMs, () => {
      if (!this.#dead) run();
    });
  }

  afterInput(run: () => void): void {
    this.#truth.afterInput(run);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return this.#dead ? never() : this.#truth.sleep(delayMs, signal);
  }

  /** The process is gone: nothing more happens in it. */
  kill(): void {
    this.#dead = true;
  }
}

export function never(): Promise<never> {
  return new Promise(() => undefined);
}

export class SimAuthority {
  readonly #truth: Clock;
  readonly #lifetimeMs: number;
  readonly #made = new Map<string, string>();
  readonly roots: Authority[];
  /** Index of the root that signs now. */
  root = 0;
  weather: Weather = "up";
  /** Requests by day, those that do not reach it included. */
  readonly attempts = new Map<number, number>();
  /** SHA-256 of keys by intent. */
  readonly keys = new Map<string, Set<string>>();
  certificates = 0;
  /** Told before each request is answered. */
  onAttempt: () => void = () => undefined;

  constructor(truth: Clock, lifetimeMs: number, roots: number) {
    this.#truth = truth;
    this.#lifetimeMs = lifetimeMs;
    const now = truth.now();
    this.roots = Array.from({ length: roots }, (_, index) =>
      quickRoot(`Root ${index + 1}`, now - DAY_MS, now + CENTURY_MS),
    );
  }

  get rootPem(): string {
    return this.roots[this.root]?.certificatePem ?? "";
  }

  /** The root that devices have pinned when they leave the house. */
  get pinnedPem(): string {
    return this.roots[0]?.certificatePem ?? "";
  }

  /**
   * @param intentOf Which intent a key belongs to.
   * @param rootsOf Who may speak for the authority, as the device knows.
   */
  issuerFor(
    alive: () => boolean,
    intentOf: (spkiSha256: string) => string | undefined,
    rootsOf: () => Promise<IssuerRoots>,
  ): Issuer {
    const count = (): void => {
      const day = Math.floor(this.#truth.monotonicMs() / DAY_MS);
      this.attempts.set(day, (this.attempts.get(day) ?? 0) + 1);
      this.onAttempt();
    };
    const gate = async (own: OwnIdentityForIssuer, key: OpenKey): Promise<Issued> => {
      if (!alive()) return never();
      count();
      const { weather } = this;
      if (weather === "hang") return never();
      if (weather === "busy") throw fault("ERR_ISSUER_BUSY", "busy", { retryAfterMs: 120_000 });
      if (weather === "unreachable") throw fault("ERR_ISSUER_UNREACHABLE", weather);
      if (weather === "captive-portal") throw fault("ERR_ISSUER_UNREACHABLE", weather);
      const roots = await rootsOf();
      if (!roots.known) await roots.adopt([parseCertificate(this.pinnedPem)], "the authority");
      const { fingerprint } = parseCertificate(this.rootPem).summary;
      if (!roots.certificates.some(({ summary }) => summary.fingerprint === fingerprint)) {
        throw fault("ERR_ISSUER_UNTRUSTED", "untrusted");
      }
      const intent = intentOf(key.reference.spkiSha256);
      if (intent !== undefined) {
        const keys = this.keys.get(intent) ?? new Set();
        this.keys.set(intent, keys.add(key.reference.spkiSha256));
      }
      const chainPem = this.#sign(own, key);
      if (weather === "lost-answer") {
        throw fault("ERR_ISSUER_UNREACHABLE", "unreachable", { lostAnswer: true });
      }
      return { chainPem, rootPem: this.rootPem, answersUs: true, remarks: [] };
    };
    return {
      kind: "step-ca",
      enroll: () => never(),
      renew: (own) => gate(own, own.key),
      rekey: async (own, next) => {
        if (alive() && this.weather === "up" && this.#hasEnded(own)) {
          count();
          throw fault("ERR_ISSUER_REFUSED", "expired");
        }
        return gate(own, next);
      },
    };
  }

  first(cn: string, publicKeyOf: OpenKey): string {
    return this.#make(cn, publicKeyOf);
  }

  #hasEnded({ chainPem }: OwnIdentityForIssuer): boolean {
    return parseCertificate(chainPem).summary.notAfter <= this.#truth.now();
  }

  /** For one old certificate and one new key there is one certificate, however often it is asked while that lives. */
  #sign(own: OwnIdentityForIssuer, key: OpenKey): string {
    const old = parseCertificate(own.chainPem);
    const name = `${old.summary.fingerprint} ${key.reference.spkiSha256}`;
    const made = this.#made.get(name);
    const lives = made !== undefined && parseCertificate(made).summary.notAfter > this.#truth.now();
    const pem = lives ? made : this.#make(old.commonNames[0] ?? "", key);
    this.#made.set(name, pem);
    return pem;
  }

  #make(cn: string, key: OpenKey): string {
    this.certificates += 1;
    const root = this.roots[this.root];
    const now = Math.floor(this.#truth.now() / 1000) * 1000;
    return quickCertificate({
      cn,
      issuerCn: `Root ${this.root + 1}`,
      publicKey: createPublicKey(key.publicKey.export({ type: "spki", format: "pem" })),
      signingKey: createPrivateKey(root?.keyPem ?? ""),
      notBefore: now - 60_000,
      notAfter: now + this.#lifetimeMs,
      ca: false,
    });
  }
}

function fault(
  code: ConstructorParameters<typeof IssuerError>[0],
  reason: ConstructorParameters<typeof IssuerError>[1]["reason"],
  more: Partial<ConstructorParameters<typeof IssuerError>[1]> = {},
): IssuerError {
  return new IssuerError(code, { reason, words: `made by the simulation: ${reason}`, ...more });
}
