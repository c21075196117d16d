/** A token for an authority that takes none: told, since whoever gives one believes that it counts. */
import { IssuerError } from "../identity/issuer.ts";

/** @param instead What it goes by, in words. */
export function tokenUnused(instead: string): IssuerError {
  return new IssuerError("ERR_ISSUER_TOKEN", {
    reason: "token",
    words: `a token was given, and ${instead}`,
    fix: 'leave --token-file out, or set issuer.kind = "step-ca"; the token was not used',
    permanent: true,
  });
}
