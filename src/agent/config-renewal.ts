/**
 * The keys of `[renewal]` and `[trust]`. `docs/rotation.md` tells the operator what they mean together.
 */
import { flag, integer, type Kind, path, text } from "./config-kinds.ts";
import { upTo } from "./config-revocation.ts";
import { LIVE, optional, row } from "./config-row.ts";
import { fleetKey } from "./config-time.ts";

const MAX_KEYS = 8;

/** A share: a number between two bounds, both included. */
function share(min: number, max: number): Kind<number> {
  const allowed = `a number from ${min} to ${max}`;
  const read = (value: number) =>
    value >= min && value <= max ? { value } : { expected: allowed };
  return {
    allowed,
    schema: { type: "number", minimum: min, maximum: max },
    readToml: (value) => read(typeof value === "number" ? value : Number.NaN),
    readText: (value) => read(/^\d{0,3}(?:\.\d{1,6})?$/.test(value) ? Number(value) : Number.NaN),
    show: (value) => value,
  };
}

export const RENEWAL_ROWS = {
  at: row(
    share(0.1, 0.9),
    0.66,
    "Share of its lifetime at which the certificate is renewed, moved by up to a tenth either way, and earlier when this device has been cut off for long before.",
    LIVE,
  ),
  rekey: row(
    flag(),
    true,
    "Make a new private key at each renewal; otherwise the key is kept.",
    LIVE,
  ),
};

export const TRUST_ROWS = {
  update_keys: row(
    upTo(MAX_KEYS, fleetKey()),
    [],
    "Keys that sign trust updates, as pinned at provisioning: the only way to learn new roots without a root that is known.",
  ),
  update_file: optional(
    path(),
    "File that trust updates are taken from as soon as it appears or changes, as on a USB stick.",
  ),
  update_url: optional(
    text({
      allowed: "an http:// or https:// URL without user, query or fragment",
      pattern:
        /^https?:\/\/(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~/-]{0,200})?$/,
    }),
    "Where trust updates are fetched once a day. They are signed, so plain http is as good.",
  ),
  overlap_days: row(
    integer(0, 366, "days"),
    30,
    "For how long authorities that a trust update drops still count; longer while our own certificate needs them.",
  ),
};
