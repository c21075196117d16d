/**
 * The keys of `[time]`. `docs/time.md` says what they mean together.
 */
import { isAgentError } from "../base/errors.ts";
import { parseFleetKey } from "../identity/time/time-statement.ts";
import { choice, integer, type Kind } from "./config-kinds.ts";
import { upTo } from "./config-revocation.ts";
import { row } from "./config-row.ts";

const MAX_FLEET_KEYS = 8;
const MAX_GRACE_HOURS = 90 * 24;

export function fleetKey(): Kind<string> {
  const allowed = '"ed25519:" and the 32 bytes of the public key in base64';
  const read = (value: string) => {
    try {
      parseFleetKey(value);
      return { value };
    } catch (error) {
      if (isAgentError(error)) return { expected: allowed };
      throw error;
    }
  };
  return {
    allowed,
    schema: { type: "string", pattern: "^ed25519:[A-Za-z0-9+/]{43}=$" },
    readText: read,
    readToml: (value) => (typeof value === "string" ? read(value) : { expected: allowed }),
    show: (value) => value,
  };
}

export const TIME_ROWS = {
  fleet_keys: row(
    upTo(MAX_FLEET_KEYS, fleetKey()),
    [],
    "Keys whose time statements count: they answer a challenge of this device, and alone may set the proven time back.",
  ),
  not_yet_valid: row(
    choice(["refuse", "proven", "tolerate"]),
    "proven",
    'What becomes of peers whose certificates are not yet valid by a clock that is known to be wrong. "proven" lets in who is valid at the proven time; "tolerate" also who begins later; both only with every issuer in the trust bundle. "refuse": nobody.',
  ),
  expired_grace_hours: row(
    integer(0, MAX_GRACE_HOURS, "hours"),
    0,
    "How long after its end a peer's certificate still counts, if every issuer stands in the trust bundle and is in date. 0: not a moment.",
  ),
};
