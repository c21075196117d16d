/**
 * Checks of `doctor` on certificate, key and trust bundle.
 */
import { createPrivateKey } from "node:crypto";
import { explainChain } from "../../identity/chain-explanation.ts";
import { spkiSha256 } from "../../identity/keys/sealed-key-provider.ts";
import { namesHost } from "../../identity/name-match.ts";
import { findProblems } from "../../identity/peer-checks.ts";
import { formatMoment, formatSpan } from "../../identity/span-words.ts";
import { dateState } from "../../identity/time/expiry-level.ts";
import type { Certificate } from "../../identity/x509/certificate.ts";
import type { IdentityView, KeyView } from "../../sidecar/certificate-operations.ts";
import { type Check, fail, type Outcome, ok, skipped, warn } from "./check.ts";
import { type Fact, type Facts, type FileFact, isMissing, type PathFact } from "./facts.ts";

/** Hosts that say nothing of what peers call this device. */
const WILDCARDS: ReadonlySet<string> = new Set(["", "0.0.0.0", "::"]);

const RENEW =
  "issue a new certificate and replace the files; the agent takes them without a restart";

const IMPORT = "import one: `microedge cert import --cert FILE --key FILE --ca FILE`";
const ASK = "the running agent renews it; `microedge cert renew --now` says what is in the way";
const FIRST = "have one made: `microedge enroll`, or bring one: `microedge cert import`";

export const CERTIFICATE_CHECKS: readonly Check[] = [
  {
    id: "tls.files",
    title: "certificate, key and trust bundle can be read",
    needs: ["config.valid"],
    judge({ config, cert, key, trustFile, identity }) {
      if (!isMissing(config) && config.config.store.dir !== undefined) return judgeStored(identity);
      if (!isMissing(config) && config.config.tlsFiles === undefined) {
        return skipped("rpc.insecure_plaintext: no TLS files");
      }
      const faults = [cert, key, trustFile].flatMap((file) =>
        isMissing(file) ? [file.missing] : [],
      );
      return faults.length === 0
        ? ok("tls.cert, tls.key and tls.ca")
        : fail(faults.join("; "), "put the files there, readable for the agent's user");
    },
  },
  {
    id: "tls.permissions",
    title: "nobody else can read the key or write the files",
    needs: ["tls.files"],
    judge(facts) {
      if (inStore(facts)) return skipped("no files; see store.permissions");
      return judgePermissions(facts) ?? judgeServiceAccess(facts);
    },
  },
  {
    id: "cert.readable",
    title: "the device has a certificate that can be read",
    needs: ["tls.files"],
    judge(facts) {
      const { chain } = facts;
      if (isMissing(chain)) {
        return fail(
          chain.missing,
          inStore(facts) ? IMPORT : "replace tls.cert by the PEM chain, leaf first",
        );
      }
      return ok(chain.map(({ summary }) => summary.subject).join(", issued by "));
    },
  },
  {
    id: "trust.bundle",
    title: "the trust bundle holds authorities in date",
    needs: ["tls.files"],
    judge(facts) {
      const { bundle, nowMs } = facts;
      const [stored, replace] = [inStore(facts), "`microedge cert trust --replace FILE`"];
      if (isMissing(bundle)) {
        const words = "replace tls.ca by the PEM of the authorities";
        return fail(bundle.missing, stored ? IMPORT : words);
      }
      const plain = bundle.filter(({ ca }) => !ca).map(({ summary }) => summary.subject);
      const dead = bundle.filter(({ summary }) => nowMs > summary.notAfter);
      if (dead.length === bundle.length) {
        const words = "put the present authorities into tls.ca";
        return fail("every authority has expired", stored ? replace : words);
      }
      if (dead.length > 0 || plain.length > 0) {
        const parts = [
          ...dead.map(({ summary }) => `"${summary.subject}" has expired`),
          ...plain.map((subject) => `"${subject}" is not an authority's certificate`),
        ];
        return warn(parts.join("; "), stored ? `${replace}, without it` : "remove it from tls.ca");
      }
      return ok(bundle.map(({ summary }) => summary.subject).join("; "));
    },
  },
  {
    id: "cert.dates",
    title: "the certificate is in date for a while",
    needs: ["cert.readable"],
    judge(facts) {
      const { chain, nowMs } = facts;
      if (isMissing(chain)) return skipped(chain.missing);
      // The chain ends with the first of its certificates that ends.
      const first = chain.toSorted((a, b) => a.summary.notAfter - b.summary.notAfter)[0];
      return first === undefined
        ? skipped("no certificate")
        : judgeDates(first, nowMs, fixOf(facts));
    },
  },
  {
    id: "cert.key-match",
    title: "the key belongs to the certificate",
    needs: ["cert.readable"],
    judge: (facts) =>
      inStore(facts) ? judgeStoredKey(facts.chain, facts.ownKey) : judgeKey(facts.chain, facts.key),
  },
  {
    id: "cert.chain",
    title: "the chain is complete and in order",
    needs: ["cert.readable", "trust.bundle"],
    judge(facts) {
      const { chain, bundle, nowMs } = facts;
      const place = inStore(facts) ? "the store's chain" : "tls.cert";
      if (isMissing(chain) || isMissing(bundle)) return skipped("no certificate");
      const [leaf, ...above] = chain;
      if (leaf === undefined) return skipped("no certificate");
      for (const [at, child] of chain.entries()) {
        const issuer = chain[at + 1];
        if (issuer !== undefined && !child.x509.checkIssued(issuer.x509)) {
          return fail(
            `certificate ${at + 2} of ${place} ("${issuer.summary.subject}") did not issue certificate ${at + 1} ("${child.summary.subject}")`,
            "order them leaf first, each followed by its issuer",
          );
        }
      }
      // Dates have their own check.
      const [problem] = explainChain(leaf, above, bundle, nowMs).filter(
        ({ cause }) => cause === "unknown-authority",
      );
      if (problem === undefined) return ok(`up to ${topOf(chain, bundle)}`);
      return fail(
        `the certificate ${problem.words}: peers with the same trust bundle will refuse it`,
        above.length === 0 && !leaf.selfSigned
          ? inStore(facts)
            ? `import it again with its intermediate: \`microedge cert import --cert\` takes several files; else ${problem.fix}`
            : `append the issuer's certificate to tls.cert, after the leaf, if it is an intermediate; else ${problem.fix}`
          : problem.fix,
      );
    },
  },
  {
    id: "cert.san",
    title: "the certificate names this device",
    needs: ["cert.readable"],
    judge({ chain, config }) {
      const leaf = isMissing(chain) ? undefined : chain[0];
      if (leaf === undefined) return skipped("no certificate");
      const { dnsNames, ipAddresses, uris } = leaf.names;
      const names = [...dnsNames, ...ipAddresses, ...uris];
      if (dnsNames.length + ipAddresses.length === 0) {
        return fail(
          "there is no host name and no IP address among its SANs; a peer that verifies can't call it",
          "issue it with --san dns:HOST,ip:ADDRESS: what peers call it by",
        );
      }
      const host = isMissing(config) ? "" : config.config.rpc.listen.host;
      if (!WILDCARDS.has(host) && !namesHost(leaf.names, host)) {
        return warn(
          `it has ${names.join(", ")}, but not ${host}, where the agent listens`,
          `let peers call one of these names, or issue it with ${host} too`,
        );
      }
      return ok(names.join(", "));
    },
  },
  {
    id: "cert.usage",
    title: "the certificate may be used to call and to be called",
    needs: ["cert.readable"],
    judge({ chain, nowMs }) {
      const leaf = isMissing(chain) ? undefined : chain[0];
      if (leaf === undefined) return skipped("no certificate");
      const problems = (["server", "client"] as const)
        .flatMap((role) => findProblems(leaf, { nowMs, role }))
        .filter(({ cause }) => cause !== "expired" && cause !== "not-yet-valid");
      const [first] = problems;
      if (first === undefined) return ok("client and server");
      const words = [...new Set(problems.map((problem) => problem.words))].join("; it ");
      return fail(`it ${words}`, first.fix);
    },
  },
];

/** Whether the certificate is judged that lies in the store, not in `[tls]` files. */
function fixOf(facts: Facts): string {
  if (!inStore(facts)) return RENEW;
  const { config } = facts;
  return isMissing(config) || config.config.issuer.kind === undefined ? IMPORT : ASK;
}

function inStore({ config }: Facts): boolean {
  return !isMissing(config) && config.config.store.dir !== undefined;
}

function judgeStored(identity: Fact<IdentityView>): Outcome {
  // store.usable has said it
  if (isMissing(identity)) return skipped("needs store.usable");
  const { generation = 0, store } = identity;
  if (identity.source === "files") {
    return fail(
      "the running agent has another configuration: it uses [tls] files",
      "restart the agent, so that it uses the store",
    );
  }
  if (generation === 0) return fail("the certificate store is empty", FIRST);
  return ok(`generation ${generation} of ${store?.dir ?? "the store"}`);
}

function judgeStoredKey(chain: Fact<readonly Certificate[]>, key: Fact<KeyView>): Outcome {
  const leaf = isMissing(chain) ? undefined : chain[0];
  if (leaf === undefined || isMissing(key)) return skipped("no certificate or no key");
  return spkiSha256(leaf.publicKey) === key.spkiSha256
    ? ok(`it does; ${key.algorithm}, ${key.location}`)
    : fail(
        `the key of the store is not the key of "${leaf.summary.subject}"`,
        "report this as a bug in microedge; import certificate and key again",
      );
}

function judgePermissions({ cert, key, trustFile, uid }: Facts): Outcome | undefined {
  if (isMissing(key) || isMissing(cert) || isMissing(trustFile)) return skipped("no files");
  if ((key.mode & 0o077) !== 0) {
    return fail(
      `${key.path} has mode ${octal(key.mode)}: others than its owner can use the key`,
      `chmod 600 ${key.path}; if others may have read it, issue a new key`,
    );
  }
  for (const file of [key, cert, trustFile]) {
    if ((file.mode & 0o022) !== 0) {
      return fail(
        `${file.path} has mode ${octal(file.mode)}: others can replace it`,
        `chmod go-w ${file.path}`,
      );
    }
    if (file.uid !== 0 && file.uid !== uid && uid !== 0) {
      return warn(
        `${file.path} belongs to user ${file.uid}, who can replace it`,
        `chown it to root or to the agent's user`,
      );
    }
  }
  return undefined;
}

/** systemd passes keys in here with an access list of its own. */
const CREDENTIALS = "/run/credentials/";

/** Whether the service's user can read what root has put there. */
function judgeServiceAccess({ cert, key, keyDirectory, trustFile, serviceUid }: Facts): Outcome {
  if (isMissing(key)) return skipped("no files");
  const needed = [keyDirectory, key, cert, trustFile].flatMap((fact) =>
    isMissing(fact) || fact.path.startsWith(CREDENTIALS) ? [] : [fact],
  );
  const closed = needed.filter((file) => serviceUid !== undefined && !mayRead(file, serviceUid));
  if (closed.length === 0) return ok(`the key has mode ${octal(key.mode)}`);
  const paths = closed.map(({ path }) => path).join(" ");
  return fail(
    `the service runs as user microedge, who can't read ${paths}`,
    `chown microedge ${paths}`,
  );
}

/** By owner and mode. A group gets the benefit of the doubt: the service's user may be in it. */
function mayRead({ kind, mode, uid }: PathFact, reader: number): boolean {
  const need = kind === "directory" ? 0o1 : 0o4;
  return ((uid === reader ? mode >> 6 : mode | (mode >> 3)) & need) !== 0;
}

function judgeDates({ summary }: Certificate, nowMs: number, renew: string): Outcome {
  const left = summary.notAfter - nowMs;
  const end = formatMoment(summary.notAfter);
  switch (dateState(summary, nowMs)) {
    case "not-yet-valid":
      return fail(
        `"${summary.subject}" is valid only from ${formatMoment(summary.notBefore)}`,
        "check the clock of this machine; if it is right, issue the certificate again",
      );
    case "expired":
      return fail(`"${summary.subject}" expired ${formatSpan(-left)} ago (${end})`, renew);
    case "critical":
      return fail(`CRITICAL: "${summary.subject}" ends in ${formatSpan(left)} (${end})`, renew);
    case "warn":
      return warn(`WARNING: "${summary.subject}" ends in ${formatSpan(left)} (${end})`, renew);
    default:
      return ok(`until ${end}, ${formatSpan(left)} from now`);
  }
}

function judgeKey(chain: Fact<readonly Certificate[]>, key: Fact<FileFact>): Outcome {
  const leaf = isMissing(chain) ? undefined : chain[0];
  if (leaf === undefined || isMissing(key)) return skipped("no certificate or no key");
  if (/PKCS#11|TSS2/.test(key.text))
    return skipped("the key is in hardware; the handshake shows it");
  let matches: boolean;
  try {
    matches = leaf.x509.checkPrivateKey(createPrivateKey(key.text));
  } catch {
    // OpenSSL's own words name internals and may quote the file.
    return fail(
      `${key.path} holds no key that can be read`,
      "replace it by the unencrypted PEM key",
    );
  }
  return matches
    ? ok("it does")
    : fail(
        `the key in ${key.path} is not the key of "${leaf.summary.subject}"`,
        "put the certificate and the key of one issue side by side",
      );
}

function topOf(chain: readonly Certificate[], bundle: readonly Certificate[]): string {
  const last = chain.at(-1);
  const anchor = bundle.find(({ summary }) => summary.subject === last?.summary.issuer);
  return `"${anchor?.summary.subject ?? last?.summary.subject ?? ""}"`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
