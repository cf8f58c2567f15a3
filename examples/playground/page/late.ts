/** Scripts that the page loads when they are first needed. */
import { useEffect, useState } from "npm:preact@11/hooks";

/** What was loaded, or why it was not. */
export interface Late<T> {
  readonly value?: T;
  readonly fault?: string;
}

/** Loads something once it is wanted. */
export function useLate<T>(isWanted: boolean, load: () => Promise<T>): Late<T> {
  const [late, setLate] = useState<Late<T>>({});
  const isDue = isWanted && late.value === undefined;
  useEffect(() => {
    if (!isDue) return;
    load().then(
      (value) => setLate({ value }),
      () => setLate({ fault: "a script of this view could not be loaded: reload the page" }),
    );
  }, [isDue]);
  return late;
}
