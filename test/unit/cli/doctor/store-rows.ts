/** What can be wrong with the store, the identity in it, the time and revocation. */
import type { Certificate } from "#src/identity/x509/certificate.ts";
import { STATUS } from "../../../fakes/admin-operations.ts";
import {
  CLOCK,
  DAY,
  good,
  missing,
  REVOCATION,
  type Row,
  STORE,
  staleList,
  stored,
  UID,
  withoutStore,
} from "./facts-rig.ts";

export const STORE_ROWS: readonly Row[] = [
  {
    id: "store.usable",
    result: "fail",
    says: /belongs to user 7/,
    why: "the store is another user's",
    make: () => ({ ...stored(), identity: missing("/s belongs to user 7, and this is user 9") }),
  },
  {
    id: "store.usable",
    result: "fail",
    says: /read-only.*served from memory/,
    why: "the card gave up",
    make: () => stored({ store: { ...STORE, writable: false, fault: "it is read-only" } }),
  },
  {
    id: "store.permissions",
    result: "fail",
    says: /mode 0750/,
    why: "the group can look in",
    make: () => ({
      ...stored(),
      storeDirectory: { path: STORE.dir, kind: "directory", mode: 0o750, uid: UID },
    }),
  },
  {
    id: "store.permissions",
    result: "fail",
    says: /service runs as user microedge/,
    why: "root made it by hand",
    make: () => ({
      ...stored(),
      uid: 0,
      serviceUid: 990,
      storeDirectory: { path: STORE.dir, kind: "directory", mode: 0o700, uid: 0 },
    }),
  },
  {
    id: "store.whole",
    result: "warn",
    says: /slot of the state.*and 1 more/,
    why: "power was lost",
    make: () => stored({ store: { ...STORE, healed: ["a slot of the state was damaged", "b"] } }),
  },
  {
    id: "store.wear",
    result: "warn",
    says: /again and again/,
    why: "somebody rotates in a loop",
    make: () => {
      const wear = { ...STORE.wear, bytesToday: 5_000_000 };
      return stored({ store: { ...STORE, wear } });
    },
  },
  {
    id: "store.reserve",
    result: "warn",
    says: /on a full disk/,
    why: "the disk was full already",
    make: () => stored({ store: { ...STORE, reserveBytes: 0 } }),
  },
  {
    id: "key.location",
    result: "fail",
    says: /CREDENTIALS_DIRECTORY/,
    why: "the credential did not come",
    make: () => ({ ...stored(), sealing: missing("$CREDENTIALS_DIRECTORY is not set") }),
  },
  {
    id: "key.location",
    result: "ok",
    says: /sealed in the store, under TPM object/,
    why: "a TPM holds the sealing key",
    make: () => stored(),
  },
  {
    id: "key.location",
    result: "ok",
    says: /would be safer/,
    why: "what seals lies beside what is sealed",
    make: () => ({ ...stored(), sealing: { kind: "device-file", description: "the file /k" } }),
  },
  {
    id: "identity.state",
    result: "warn",
    says: /^UNPROVEN: nobody/,
    why: "nobody was asked",
    make: () => stored({ state: "UNPROVEN", words: "nobody accepted it yet" }),
  },
  {
    id: "identity.state",
    result: "fail",
    says: /^ROLLED_BACK: generation 8 failed/,
    why: "the last certificate was taken back",
    make: () => stored({ state: "ROLLED_BACK", words: "generation 8 failed: refused by broker" }),
  },
  {
    id: "tls.files",
    result: "ok",
    says: /generation 7 of/,
    why: "the store has it",
    make: () => stored(),
  },
  {
    id: "tls.files",
    result: "fail",
    says: /store is empty/,
    why: "nobody gave it a certificate",
    make: () => stored({ generation: 0, state: undefined }),
  },
  {
    id: "tls.files",
    result: "fail",
    says: /another configuration/,
    why: "the agent still runs with the files of yesterday",
    make: () => ({ ...stored(), identity: withoutStore().identity }),
  },
  {
    id: "cert.key-match",
    result: "ok",
    says: /ecdsa-p256, sealed in the store/,
    why: "the store's key is the leaf's",
    make: () => stored(),
  },
  {
    id: "cert.key-match",
    result: "fail",
    says: /is not the key of "CN=device-7"/,
    why: "a generation can't be mixed, and is looked at all the same",
    make: () => ({
      ...stored(),
      ownKey: { algorithm: "ed25519", spkiSha256: "00", location: "sealed in the store" },
    }),
  },
  {
    id: "clock.trusted",
    result: "warn",
    says: /nobody has set it/,
    why: "no time service",
    make: () => ({ clock: { ...CLOCK, state: "unknown", timeService: "nobody has set it" } }),
  },
  {
    id: "clock.trusted",
    result: "fail",
    says: /behind what is proven/,
    why: "the clock stands in 1970",
    make: () => ({
      clock: { ...CLOCK, state: "floor", clockWrong: true, words: "it is behind what is proven" },
    }),
  },
  {
    id: "trust.dates",
    result: "warn",
    says: /WARNING: "CN=Site CA"/,
    why: "the root ends in 20 days",
    make: () => {
      const [root] = good.bundle as readonly Certificate[];
      const end = (root as Certificate).summary.notAfter;
      return { clock: { ...CLOCK, nowMs: end - 20 * DAY } };
    },
  },
  {
    id: "revocation.fresh",
    result: "warn",
    says: /1 day out of date; peers are let in all the same/,
    why: "an old list, soft",
    make: () => staleList("soft"),
  },
  {
    id: "revocation.fresh",
    result: "fail",
    says: /peers of that authority are refused/,
    why: "an old list, hard",
    make: () => staleList("hard"),
  },
  {
    id: "revocation.fresh",
    result: "warn",
    says: /2 entries of revocation.deny/,
    why: "a deny list that nobody tidies",
    make: () => {
      const ended = { ...REVOCATION, deniedEnded: ["serial:01", "serial:02"] };
      return { agent: { ...STATUS, revocation: ended } };
    },
  },
];
