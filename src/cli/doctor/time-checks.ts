/**
 * Checks of `doctor` on dates: what the clock is worth, which authorities end, and how old the
 * revocation lists are.
 */
import { type ExpiryReading, readExpiries } from "../../identity/time/expiry-reading.ts";
import { judgeClockTrust, judgeExpiries } from "../../identity/time/time-checks.ts";
import type { RevocationView } from "../../sidecar/revocation-view.ts";
import { type Check, fail, type Outcome, ok, skipped, warn } from "./check.ts";
import { type Facts, isMissing } from "./facts.ts";

export const TIME_CHECKS: readonly Check[] = [
  {
    id: "clock.trusted",
    title: "somebody vouches for the clock",
    needs: [],
    judge({ clock }: Facts) {
      return isMissing(clock) ? skipped(clock.missing) : judgeClockTrust(clock, clock.timeService);
    },
  },
  {
    id: "trust.dates",
    title: "the authorities of the trust bundle do not end soon",
    needs: ["trust.bundle"],
    judge(facts: Facts) {
      return isMissing(facts.bundle)
        ? skipped(facts.bundle.missing)
        : judgeExpiries(anchorExpiries(facts));
    },
  },
  {
    id: "revocation.fresh",
    title: "revocation lists and answers are not out of date",
    needs: ["agent.alive"],
    judge({ agent }: Facts) {
      if (isMissing(agent)) return skipped(agent.missing);
      const { revocation } = agent;
      return revocation === undefined ? skipped("there is no TLS") : judgeRevocation(revocation);
    },
  },
];

/** Those that have ended already are a matter of `trust.bundle`. */
function anchorExpiries({ bundle, clock, nowMs }: Facts): readonly ExpiryReading[] {
  if (isMissing(bundle)) return [];
  const view = isMissing(clock)
    ? { state: "unknown" as const, nowMs, floorMs: 0, clockWrong: false, words: undefined }
    : clock;
  const watched = bundle.map((certificate) => ({ role: "anchor" as const, certificate }));
  return readExpiries(watched, view).filter(({ level }) => level !== "expired");
}

const LATER = "mend the way to it; what was had before counts until then";

function judgeRevocation({ crl, ocsp, sources, ocspFaults, deniedEnded }: RevocationView): Outcome {
  const lists = sources.flatMap((each) => each.lists.map((list) => ({ ...list, ...each })));
  const stale = lists.filter(({ state }) => state !== "fresh");
  const none = sources.filter((each) => each.lists.length === 0);
  const words = [
    ...none.map(({ source, fault }) => `no CRL from ${source}: ${fault ?? "not looked yet"}`),
    ...stale.map(
      ({ issuer, source, words: why }) => `the CRL of ${issuer} from ${source} is ${why}`,
    ),
  ];
  if (words.length > 0) {
    const onlyDoubtful = none.length === 0 && stale.every(({ state }) => state === "doubtful");
    const fix = onlyDoubtful
      ? "have the clock set by a time service; see clock.trusted"
      : "publish a new list, or mend the way to it: revocation.crl names the place";
    if (crl !== "hard") return warn(`${words.join("; ")}; peers are let in all the same`, fix);
    return fail(`${words.join("; ")}; peers of that authority are refused`, fix);
  }
  const [fault] = ocspFaults;
  if (fault !== undefined) {
    const why = `OCSP responder ${fault.responder}: ${fault.reason}`;
    return ocsp === "hard" ? fail(`${why}; peers are refused`, LATER) : warn(why, LATER);
  }
  const failing = sources.find((each) => each.fault !== undefined);
  if (failing !== undefined) return warn(`${failing.source}: ${failing.fault}`, LATER);
  if (deniedEnded.length > 0) {
    return warn(
      `${deniedEnded.length} entries of revocation.deny are for certificates that have ended`,
      `take them out: ${deniedEnded.slice(0, 3).join(", ")}`,
    );
  }
  if (lists.length === 0 && ocsp === "off") return ok("no list and no responder is configured");
  return ok(`${lists.length} list${lists.length === 1 ? "" : "s"} in date, OCSP ${ocsp}`);
}
