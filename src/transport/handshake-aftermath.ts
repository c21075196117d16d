/**
 * What a server may do after a handshake that is done for us: nothing, or turn our certificate away.
 */
import type { Refusal } from "./probe-result.ts";

/** What became of one connection after its handshake. */
export type Aftermath =
  | { readonly kind: "quiet" }
  | {
      readonly kind: "refused";
      readonly by: Refusal;
      readonly words: string;
      readonly fix: string;
    };

/** @param header The value of `Micro-Error` in an answer that nobody asked for. */
export function goMicroRefusal(header: string): Aftermath {
  const detail = /"detail":"((?:[^"\\]|\\.)*)"/.exec(header)?.[1] ?? header;
  return {
    kind: "refused",
    by: "answer",
    words: `the server refused our client certificate: ${detail.slice(0, 500)}`,
    fix: "issue our certificate from an authority that the server trusts, and check its dates",
  };
}
