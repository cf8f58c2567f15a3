/** Options as a form: labels, inputs and help come from their table. */
import { defaultOf, describeValues, type GivenOptions, type Option } from "@unitune/objectives";
import type { OptionTable, OptionValue } from "@unitune/objectives";
import { UserError } from "@unitune/training";
import { useId, useState } from "npm:preact@11/hooks";
import { optionOf } from "../lanes.ts";

/** A name in camel case as words. */
export function wordsOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

interface FieldProps {
  readonly name: string;
  readonly option: Option;
  readonly value: OptionValue | undefined;
  readonly change: (value: OptionValue) => void;
}

function Field({ name, option, value, change }: FieldProps) {
  const id = useId();
  const [fault, setFault] = useState<string>();
  const read = (text: string) => {
    try {
      change(optionOf(wordsOf(name), option, text));
      setFault(undefined);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      setFault(error.message);
    }
  };
  const shown = String(value ?? defaultOf(option) ?? "");
  const described = fault === undefined ? `${id}-help` : `${id}-help ${id}-fault`;
  const common = { id, "aria-describedby": described, "aria-invalid": fault !== undefined };
  return (
    <div class="field" title={option.help}>
      <label for={id}>{wordsOf(name)}</label>
      {option.kind === "choice"
        ? (
          <select
            {...common}
            value={shown}
            onChange={({ currentTarget }) => read(currentTarget.value)}
          >
            {option.choices.map((choice) => <option key={choice} value={choice}>{choice}</option>)}
          </select>
        )
        : option.kind === "boolean"
        ? (
          <input
            {...common}
            type="checkbox"
            checked={shown === "true"}
            onChange={({ currentTarget }) => read(String(currentTarget.checked))}
          />
        )
        : (
          <input
            {...common}
            inputMode={option.kind === "string" ? "text" : "decimal"}
            autocomplete="off"
            value={shown}
            onChange={({ currentTarget }) => read(currentTarget.value)}
          />
        )}
      <span id={`${id}-help`} class="hidden">{option.help} Takes {describeValues(option)}.</span>
      {fault !== undefined && <span id={`${id}-fault`} class="fault" role="alert">{fault}</span>}
    </div>
  );
}

interface FieldsProps {
  readonly table: OptionTable;
  readonly values: GivenOptions;
  readonly change: (name: string, value: OptionValue) => void;
}

/** The fields of a table. */
export function Fields({ table, values, change }: FieldsProps) {
  return (
    <div class="fields">
      {Object.entries(table).map(([name, option]) => (
        <Field
          key={name}
          name={name}
          option={option}
          value={values[name]}
          change={(value) => change(name, value)}
        />
      ))}
    </div>
  );
}
