/** A term with its meaning, on hover, on focus and for screen readers. */
import { useId, useState } from "npm:preact@11/hooks";
import { meaningOf } from "./terms.ts";

/** A term, explained if the glossary has it. */
export function Term({ name, shown = name }: { readonly name: string; readonly shown?: string }) {
  const id = useId();
  const [isClosed, setClosed] = useState(false);
  const meaning = meaningOf(name);
  if (meaning === undefined) return <span>{shown}</span>;
  return (
    <span class={isClosed ? "term closed" : "term"}>
      <button
        type="button"
        aria-describedby={id}
        onKeyDown={({ key }) => key === "Escape" && setClosed(true)}
        onBlur={() => setClosed(false)}
        onPointerLeave={() => setClosed(false)}
      >
        {shown}
      </button>
      <span role="tooltip" id={id}>{meaning}.</span>
    </span>
  );
}
