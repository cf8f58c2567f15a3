/** Names of unexpected values, as messages show them. */

/** The most characters that are quoted of a text. */
const MOST_CHARACTERS = 40;

/** A short name of any value: `"text"`, `5n`, `an array`, `a Map`. */
export function nameOf(value: unknown): string {
  if (typeof value === "string") {
    const isLong = value.length > MOST_CHARACTERS;
    return JSON.stringify(isLong ? `${value.slice(0, MOST_CHARACTERS)}...` : value);
  }
  if (typeof value === "bigint") return `the bigint ${value}n`.slice(0, MOST_CHARACTERS);
  if (typeof value === "function") return "a function";
  if (typeof value === "symbol") return "a symbol";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) {
    const { name } = value.constructor ?? {};
    return typeof name === "string" && name !== "" && name !== "Object"
      ? `a value of the kind ${name.slice(0, MOST_CHARACTERS)}`
      : "an object";
  }
  return String(value);
}
