/** Stand-ins for what a process has of its system. */

/** Functions of an object in place of its own, until they are given back. */
export function standIns(
  object: object,
  functions: Readonly<Record<string, (...given: never[]) => unknown>>,
): Disposable {
  const own = Object.entries(functions).map(([name, value]) => {
    const before = Object.getOwnPropertyDescriptor(object, name);
    Object.defineProperty(object, name, { value, configurable: true, writable: true });
    return { name, before };
  });
  return {
    [Symbol.dispose]: () => {
      for (const { name, before } of own) {
        Reflect.deleteProperty(object, name);
        if (before !== undefined) Object.defineProperty(object, name, before);
      }
    },
  };
}
