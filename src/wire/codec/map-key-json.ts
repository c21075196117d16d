/**
 * Keys of protobuf maps, which JSON and protobuf-es both keep as member names. One key has one
 * spelling (`1`, never `01` or `1e0`), so that no two members can mean the same entry.
 */
import { ScalarType } from "@bufbuild/protobuf";
import { FieldFault, quoted } from "./body-fault.ts";
import { scalarReader } from "./scalar-json.ts";

/** Checks a member name; throws a `FieldFault` if it is no key of this type. */
export type CheckKey = (name: string) => void;

export function mapKeyCheck(type: ScalarType): CheckKey {
  switch (type) {
    case ScalarType.STRING:
      return () => undefined;
    case ScalarType.BOOL:
      return (name) => {
        if (name !== "true" && name !== "false") {
          throw new FieldFault(`expected the key "true" or "false", got ${quoted(name)}`);
        }
      };
    default: {
      const read = scalarReader(type, true);
      return (name) => {
        if (String(read(name)) !== name) {
          throw new FieldFault(`expected a plain integer as key, got ${quoted(name)}`);
        }
      };
    }
  }
}

/** Sets an entry; a key `__proto__` becomes an entry like any other. */
export function setEntry(map: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(map, key, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  } else {
    map[key] = value;
  }
}
