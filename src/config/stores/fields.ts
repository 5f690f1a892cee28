/** Fields of a spec from values that may be unset, and what people see of secrets. */

/** The same without fields that are undefined. */
export function withoutUnset<T extends object>(
  fields: T,
): { [N in keyof T as undefined extends T[N] ? never : N]: T[N] } & {
  [N in keyof T as undefined extends T[N] ? N : never]?: Exclude<T[N], undefined>;
} {
  const set = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set) as ReturnType<typeof withoutUnset<T>>;
}

/** `credentials` of a spec when one of them is set. */
export function credentialsOf<T extends object>(fields: T): { readonly credentials?: ReturnType<typeof withoutUnset<T>> } {
  const credentials = withoutUnset(fields);
  return Object.keys(credentials).length === 0 ? {} : { credentials };
}

/** The first part of what is missing in a pair of keys of which only one is written. */
export const halfOf = (missing: string): string => `without ${missing} this is half of a pair and not used`;

/** A secret as people see it. */
export const masked = (secret: string | undefined): string | undefined => (secret === undefined ? undefined : '***');
