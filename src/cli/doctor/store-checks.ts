/**
 * Checks of `doctor` on the certificate store: its disk, its keys, and how far the identity has got.
 */
import type { StoreView } from "../../sidecar/certificate-operations.ts";
import { formatBytes } from "../format/duration.ts";
import { type Check, fail, type Outcome, ok, skipped, warn } from "./check.ts";
import { type Facts, isMissing } from "./facts.ts";

const NO_STORE = "no store.dir: the certificate lies in files, or there is none";

/** Judges what the store says of itself; skipped without one. */
function ofStore(judge: (store: StoreView) => Outcome): Check["judge"] {
  return ({ identity }) => {
    const store = isMissing(identity) ? undefined : identity.store;
    return store === undefined ? skipped(NO_STORE) : judge(store);
  };
}

export const STORE_CHECKS: readonly Check[] = [
  {
    id: "store.usable",
    title: "the certificate store can be opened and written",
    needs: ["config.valid"],
    judge({ config, identity }: Facts) {
      if (isMissing(config) || config.config.store.dir === undefined) return skipped(NO_STORE);
      if (isMissing(identity)) {
        return fail(
          identity.missing,
          identity.fix ?? "run `microedge cert show` as the agent's user; it says what to do",
        );
      }
      const { store } = identity;
      if (store === undefined) return skipped("the running agent uses no store");
      if (store.writable && store.fault === undefined) return ok(store.dir);
      return fail(
        `${store.dir} can't be written: ${store.fault ?? "an error of the disk"}; the identity is served from memory`,
        "free space or inodes, mount it for writing, or replace the card before the next restart",
      );
    },
  },
  {
    id: "store.permissions",
    title: "nobody else can enter the certificate store",
    needs: ["store.usable"],
    judge({ storeDirectory, uid, serviceUid }: Facts) {
      if (isMissing(storeDirectory)) return fail(storeDirectory.missing, "check store.dir");
      const { path, mode, uid: owner } = storeDirectory;
      if ((mode & 0o077) !== 0) {
        const shown = mode.toString(8).padStart(4, "0");
        return fail(`${path} has mode ${shown}: others can enter it`, `chmod 700 ${path}`);
      }
      if (serviceUid !== undefined && owner !== serviceUid) {
        return fail(
          `${path} belongs to user ${owner}, and the service runs as user microedge`,
          `chown -R microedge ${path}`,
        );
      }
      if (owner !== uid && uid !== 0) {
        return warn(`${path} belongs to user ${owner}`, "run the command as that user or as root");
      }
      return ok(`${path} is for user ${owner} only`);
    },
  },
  {
    id: "store.whole",
    title: "nothing in the certificate store had to be repaired",
    needs: ["store.usable"],
    judge: ofStore(({ healed }) => {
      const [first, ...more] = healed;
      if (first === undefined) return ok("nothing was repaired when it was opened");
      const rest = more.length === 0 ? "" : ` (and ${more.length} more)`;
      return warn(
        `${first}${rest}`,
        "nothing to do if power was lost; if this comes again, replace the card",
      );
    }),
  },
  {
    id: "store.wear",
    title: "the certificate store writes no more than planned",
    needs: ["store.usable"],
    judge: ofStore(({ wear: { bytesToday, budgetBytesPerDay } }) => {
      const words = `${formatBytes(bytesToday)} of ${formatBytes(budgetBytesPerDay)} a day`;
      if (bytesToday <= budgetBytesPerDay) return ok(words);
      return warn(
        `${words}: something replaces the certificate again and again`,
        "see `microedge cert history`; raise store.wear_budget_kib if that is meant",
      );
    }),
  },
  {
    id: "store.reserve",
    title: "there is room for the next certificate, also on a full disk",
    needs: ["store.usable"],
    judge: ofStore(({ reserveBytes }) =>
      reserveBytes > 0
        ? ok(`${formatBytes(reserveBytes)} are set aside`)
        : warn(
            "no room is set aside: on a full disk the next certificate could not be stored",
            "free some space; the reserve is made again at the next change or start",
          ),
    ),
  },
  {
    id: "key.location",
    title: "the private key is kept safe",
    needs: ["store.usable"],
    judge({ ownKey, sealing }: Facts) {
      if (isMissing(sealing)) {
        return fail(sealing.missing, sealing.fix ?? "correct the keys under [sealing]");
      }
      if (isMissing(ownKey)) return skipped(ownKey.missing);
      const words = `${ownKey.algorithm}, ${ownKey.location}, under ${sealing.description}`;
      return sealing.kind === "device-file"
        ? ok(`${words}; a systemd credential, TPM or token would be safer`)
        : ok(words);
    },
  },
  {
    id: "identity.state",
    title: "the identity in force is confirmed by its peers",
    needs: ["store.usable"],
    judge({ identity }: Facts) {
      if (isMissing(identity) || identity.state === undefined) return skipped("no generation yet");
      const words = `${identity.state}: ${identity.words ?? ""}`;
      switch (identity.state) {
        case "ACTIVE":
        case "TRIALLED":
          return ok(words);
        case "UNPROVEN":
          return warn(
            words,
            "name peers that are always there under probation.peers; else a bad certificate is noticed only by callers",
          );
        case "ROLLED_BACK":
          return fail(
            words,
            "the device works on with the old certificate: see `microedge cert history`, remove the reason, and import a new one before the old ends",
          );
      }
    },
  },
];
