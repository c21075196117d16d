/**
 * What configuration keys mean together: contradictions, what is required when, and how go-micro's
 * own variables steer the verification of outbound peers.
 */
import { issuerProblems } from "./config-issuer.ts";
import { metricsProblems } from "./config-metrics.ts";
import type { ConfigProblem } from "./config-problem.ts";
import type { Reading, Setting } from "./config-reader.ts";
import { reportProblems } from "./config-report.ts";
import { isGiven, problemAt } from "./config-setting.ts";

/** How a peer's certificate is judged. `insecure`: not at all. */
export type VerifyMode = "enforce" | "observe" | "insecure";

/** A weakening that is in force; said loudly at start and in status. */
export interface Insecurity {
  /** Key or variable that asks for it. */
  readonly key: string;
  readonly message: string;
}

export interface Verification {
  readonly inbound: VerifyMode;
  /** Outbound peers are verified unless a switch named insecure says otherwise. */
  readonly outbound: "enforce" | "insecure";
  readonly insecurities: readonly Insecurity[];
}

export interface RuleContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly problems: ConfigProblem[];
  readonly warnings: ConfigProblem[];
}

const SECURE = "MICRO_TLS_SECURE";
const INSECURE = "MICRO_TLS_INSECURE";
/** `TimeoutStopSec` of `systemd/microedge.service`, and what stopping takes beside the draining. */
export const UNIT_STOP_MS = 20_000;
const STOPPING_TAKES_MS = 5_000;
const MAX_OBSERVE_MS = 366 * 86_400_000;
/** A device without a clock battery starts in 1970; then no date can be judged (2024-01-01). */
const PLAUSIBLE_NOW_MS = 1_704_067_200_000;
const TLS_FILES = ["tls.cert", "tls.key", "tls.ca"] as const;

/** Checks the keys against one another and works out how peers are verified. */
export function applyRules(reading: Reading, context: RuleContext): Verification {
  const rules = new Rules(reading, context);
  rules.ownCertificate();
  rules.observe();
  rules.stopping();
  rules.sections();
  return rules.verification();
}

class Rules {
  readonly #reading: Reading;
  readonly #context: RuleContext;
  /** Keys that already have a problem: a second complaint about them would only confuse. */
  readonly #faulty: ReadonlySet<string>;

  constructor(reading: Reading, context: RuleContext) {
    this.#reading = reading;
    this.#context = context;
    this.#faulty = new Set(context.problems.map((problem) => problem.key));
  }

  /** Where the device's certificate comes from: three files, or the store; with plain text, neither. */
  ownCertificate(): void {
    const plain = this.#setting("rpc.insecure_plaintext");
    const store = this.#setting("store.dir");
    const stored = isGiven(store);
    if (plain?.value === true && stored) {
      this.#contradiction(plain, store, "plaintext needs no certificate");
    }
    for (const key of TLS_FILES) {
      const file = this.#setting(key);
      const given = file?.source !== "default";
      if (plain?.value === true) {
        if (given) this.#contradiction(plain, file, "plaintext needs no TLS files");
      } else if (stored) {
        if (given) {
          this.#contradiction(store, file, "the certificate comes from one of them; keep one");
        }
      } else if (!given && !this.#isExcused(key)) {
        this.#problem(key, "is missing: TLS needs tls.cert, tls.key and tls.ca, or store.dir");
      }
    }
  }

  /** Something else is wrong that may be why the key is not there. */
  #isExcused(key: string): boolean {
    return [key, "rpc.insecure_plaintext", "store.dir"].some((other) => this.#faulty.has(other));
  }

  observe(): void {
    const verify = this.#setting("tls.verify");
    const until = this.#setting("tls.observe_until");
    const end = until?.value;
    if (this.#faulty.has("tls.observe_until")) return;
    if (verify?.value !== "observe") {
      if (end !== undefined) {
        this.#warn(until, 'has no effect: tls.verify is not "observe"');
      }
      return;
    }
    if (typeof end !== "number") {
      this.#problem("tls.observe_until", 'is missing: tls.verify = "observe" needs an end date');
      return;
    }
    const { nowMs } = this.#context;
    if (nowMs < PLAUSIBLE_NOW_MS) return;
    if (end > nowMs + MAX_OBSERVE_MS) {
      this.#problem(
        "tls.observe_until",
        "must be at most 366 days ahead: observing is for migrations",
      );
    } else if (end <= nowMs) {
      this.#warn(until, 'is in the past: peers are enforced; set tls.verify = "enforce"');
    }
  }

  /** What sections need within themselves and of others. */
  sections(): void {
    const setting = (key: string): Setting | undefined => this.#setting(key);
    const found = [issuerProblems, metricsProblems, reportProblems].flatMap((of) => of(setting));
    this.#context.problems.push(...found.filter(({ key }) => !this.#faulty.has(key)));
  }

  /** systemd kills what has not stopped in its time, whatever the agent has been told. */
  stopping(): void {
    const drain = this.#setting("rpc.drain_timeout_ms");
    if (typeof drain?.value !== "number" || drain.value <= UNIT_STOP_MS - STOPPING_TAKES_MS) return;
    const seconds = Math.ceil((drain.value + STOPPING_TAKES_MS) / 1000);
    const now = `the unit's TimeoutStopSec=${UNIT_STOP_MS / 1000} kills the agent before that`;
    this.#warn(drain, `${now}; set TimeoutStopSec=${seconds} with \`systemctl edit microedge\``);
  }

  /** wire.md section 2: v5 reads MICRO_TLS_SECURE, v6 MICRO_TLS_INSECURE; neither weakens inbound here. */
  verification(): Verification {
    const skip = this.#setting("tls.insecure_skip_verify");
    const plain = this.#setting("rpc.insecure_plaintext");
    const verify = this.#setting("tls.verify");
    const secure = this.#goMicroSwitch(SECURE);
    const insecure = this.#goMicroSwitch(INSECURE);
    if (skip?.value === true && isGiven(verify)) {
      this.#contradiction(skip, verify, "one skips verification, the other asks for it");
    }
    if (secure !== undefined && secure === insecure) {
      this.#problem(
        SECURE,
        `contradicts ${INSECURE}: both are "${secure}"; ${secure ? "one asks to verify outbound peers, the other not to" : "one asks not to verify outbound peers, the other to"}; keep one of them`,
      );
    }
    this.#againstKey(SECURE, secure === true, skip, true);
    this.#againstKey(INSECURE, insecure === false, skip, true);
    this.#againstKey(INSECURE, insecure === true, skip, false);
    const insecurities: Insecurity[] = [];
    if (plain?.value === true) {
      insecurities.push({
        key: plain.key,
        message: "no TLS: anybody may read, change and make calls",
      });
    }
    if (skip?.value === true) {
      insecurities.push({ key: skip.key, message: "no peer is verified, in or out" });
    } else if (insecure === true) {
      insecurities.push({ key: INSECURE, message: "outbound peers are not verified" });
    }
    if (secure === false && insecurities.length === 0) {
      this.#context.warnings.push({
        key: SECURE,
        message: `is "false", but outbound peers are verified all the same; only ${INSECURE}=true turns that off`,
      });
    }
    return {
      inbound: skip?.value === true || plain?.value === true ? "insecure" : modeOf(verify),
      outbound: insecurities.length > 0 ? "insecure" : "enforce",
      insecurities,
    };
  }

  #goMicroSwitch(variable: string): boolean | undefined {
    const text = this.#context.environment[variable];
    if (text === undefined || text === "") return undefined;
    if (text === "true" || text === "false") return text === "true";
    this.#context.problems.push({ key: variable, message: 'must be "true" or "false"' });
    return undefined;
  }

  /** A variable that `holds` contradicts a key that was set to `value` on purpose. */
  #againstKey(variable: string, holds: boolean, key: Setting | undefined, value: boolean): void {
    if (!holds || key === undefined || key.source === "default" || key.value !== value) return;
    const wish = this.#context.environment[variable];
    this.#problem(
      key.key,
      `contradicts ${variable}: ${this.#saying(key)}, and ${variable} is "${wish}"; keep one of them`,
    );
  }

  #contradiction(a: Setting, b: Setting | undefined, why: string): void {
    if (b === undefined) return;
    this.#problem(a.key, `contradicts ${b.key}: ${this.#saying(a)}, and ${b.key} is set; ${why}`);
  }

  #saying(setting: Setting): string {
    const by = setting.variable === undefined ? "" : ` (by ${setting.variable})`;
    return `it is ${JSON.stringify(setting.kind.show(setting.value))}${by}`;
  }

  #setting(key: string): Setting | undefined {
    return this.#reading.settings.get(key);
  }

  #problem(key: string, message: string): void {
    this.#context.problems.push(problemAt(key, this.#setting(key), message));
  }

  #warn(setting: Setting | undefined, message: string): void {
    if (setting === undefined) return;
    this.#context.warnings.push(problemAt(setting.key, setting, message));
  }
}

function modeOf(verify: Setting | undefined): VerifyMode {
  return verify?.value === "observe" ? "observe" : "enforce";
}
