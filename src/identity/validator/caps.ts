/**
 * Bounds on a candidate, looked at before anything is decoded: hostile texts must not cost time. Pure.
 */
import type { Candidate, Reason } from "./candidate-report.ts";

/** Leaf, nine intermediates, a root, and one to spare. */
export const MAX_CHAIN_CERTIFICATES = 12;
/** The bundles of operating systems hold some 150. */
export const MAX_BUNDLE_CERTIFICATES = 256;
const MAX_CHAIN_BYTES = 64 * 1024;
const MAX_BUNDLE_BYTES = 512 * 1024;
/** Of one PEM block, in characters: the longest in honest use stay below 8 KiB. */
const MAX_BLOCK = 24 * 1024;

/** What to do about a text that is not whole. */
export const REEXPORT = "export the certificates again, as PEM, whole";

const TEXTS = [
  {
    field: "chainPem",
    what: "the certificate chain",
    maxBytes: MAX_CHAIN_BYTES,
    maxCertificates: MAX_CHAIN_CERTIFICATES,
    fix: "import the leaf and the intermediates above it, nothing else",
  },
  {
    field: "trustBundlePem",
    what: "the trust bundle",
    maxBytes: MAX_BUNDLE_BYTES,
    maxCertificates: MAX_BUNDLE_CERTIFICATES,
    fix: "put only the authorities of your own peers into the trust bundle",
  },
] as const;

/** What is too large, or too broken, to be read at all. */
export function capReasons(candidate: Pick<Candidate, "chainPem" | "trustBundlePem">): Reason[] {
  return TEXTS.flatMap(({ field, what, maxBytes, maxCertificates, fix }) => {
    const text = candidate[field];
    const tooLarge = (words: string): Reason[] => [
      { code: "too-large", words: `${what} ${words}`, fix },
    ];
    // PEM is ASCII, so characters are bytes; others make the text longer, never shorter.
    if (text.length > maxBytes) {
      return tooLarge(`is ${text.length} bytes long; ${maxBytes} are the most`);
    }
    const starts = positionsOf(text, "-----BEGIN ");
    if (starts.length > maxCertificates) {
      return tooLarge(`holds ${starts.length} blocks; ${maxCertificates} are the most`);
    }
    const blocks = starts.map((at, index) => text.slice(at, starts[index + 1]));
    const longest = Math.max(0, ...blocks.map(({ length }) => length));
    if (longest > MAX_BLOCK) {
      return tooLarge(`holds a block of ${longest} bytes; ${MAX_BLOCK} are the most`);
    }
    return blocks.every(isClosed)
      ? []
      : [
          {
            code: "malformed",
            words: `${what} is cut off: a block begins and does not end`,
            fix: REEXPORT,
          },
        ];
  });
}

/** Blocks that never end would also let whoever looks for their end run through the rest, each time. */
function isClosed(block: string): boolean {
  const label = /^-----BEGIN ([A-Z0-9# ]{1,64})-----/.exec(block)?.[1];
  return label !== undefined && block.includes(`-----END ${label}-----`);
}

function positionsOf(text: string, mark: string): number[] {
  const positions: number[] = [];
  for (let at = text.indexOf(mark); at !== -1; at = text.indexOf(mark, at + mark.length)) {
    positions.push(at);
    if (positions.length > MAX_BUNDLE_CERTIFICATES) break;
  }
  return positions;
}
