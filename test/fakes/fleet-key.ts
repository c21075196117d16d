/** A fleet's signing key that is the same in every run. */
import { createPrivateKey } from "node:crypto";
import { FleetSigningKey } from "#src/identity/fleet-signing-key.ts";

/** @param seed Each of the 32 bytes that are the private key (RFC 8410 section 7). */
export function fleetKey(seed: number): FleetSigningKey {
  const head = Buffer.from("302e020100300506032b657004220420", "hex");
  const der = Buffer.concat([head, Buffer.alloc(32, seed)]);
  return new FleetSigningKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
}
