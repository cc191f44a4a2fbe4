/** Immutable changes that give back the same object where nothing changes. */

/** With a value put under a key. A new key comes last; with more than `limit` entries the oldest goes. */
export function put<K, V>(map: ReadonlyMap<K, V>, key: K, value: V, limit = Infinity): ReadonlyMap<K, V> {
  if (map.get(key) === value && map.has(key)) return map;
  const changed = new Map(map).set(key, value);
  if (changed.size > limit) {
    for (const oldest of changed.keys()) {
      changed.delete(oldest);
      break;
    }
  }
  return changed;
}

export function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  if (!map.has(key)) return map;
  const changed = new Map(map);
  changed.delete(key);
  return changed;
}

export function add<V>(set: ReadonlySet<V>, value: V): ReadonlySet<V> {
  return set.has(value) ? set : new Set(set).add(value);
}

export function remove<V>(set: ReadonlySet<V>, value: V): ReadonlySet<V> {
  if (!set.has(value)) return set;
  const changed = new Set(set);
  changed.delete(value);
  return changed;
}

/** The set of these values: the one before, if it is that. */
export function same<V>(previous: ReadonlySet<V>, values: readonly V[]): ReadonlySet<V> {
  const set = new Set(values);
  return set.size === previous.size && values.every(value => previous.has(value)) ? previous : set;
}

/** With some fields changed. */
export function update<T extends object>(value: T, change: Partial<T>): T {
  for (const key in change) {
    if (change[key] !== value[key]) return { ...value, ...change };
  }
  return value;
}

/** An array that says the same as the one before is the one before. */
export function keep<T>(previous: readonly T[] | undefined, next: readonly T[]): readonly T[] {
  const isSame = previous?.length === next.length && next.every((item, index) => item === previous[index]);
  return isSame ? previous : next;
}
