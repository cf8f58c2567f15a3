/** Compose: prior states x signal x optimization. */
import {
  describeEntry,
  formulaText,
  type GivenOptions,
  gradientText,
  type ObjectiveDescription,
  objectiveRegistry,
} from "@unitune/objectives";
import { useMemo, useState } from "npm:preact@11/hooks";
import {
  codeOf,
  composedEntry,
  type Composition,
  misfit,
  moduleOf,
  nameOf,
  presets,
  readComposition,
} from "../compose/composition.ts";
import { optimizationParts, signalParts, statesParts } from "../compose/parts.ts";
import { laneOf, nameIn, untrainable, wordOf } from "../lanes.ts";
import { Fields } from "./fields.tsx";

/** The columns of Table 1 and of UPGE, by the names that `deno task objectives` has for them. */
const columns: readonly (readonly [string, (row: ObjectiveDescription) => string])[] = [
  ["states, human", ({ humanStates }) => humanStates],
  ["states, model", ({ modelStates }) => modelStates],
  ["signal", ({ signal }) => signal],
  ["transition", ({ transition }) => transition],
  ["divided by", ({ normalizer }) => normalizer],
  ["gradient", ({ gradient }) => gradient.map(gradientText).join(" + ")],
  ["models", ({ models }) => models.join(", ")],
  ["data", ({ data }) => data.join(", ")],
  ["forward passes", ({ forwardPasses }) => String(forwardPasses)],
];

interface ColumnProps<Part> {
  readonly legend: string;
  readonly parts: readonly Part[];
  readonly chosen: Part;
  /** The composition with a part in place of the chosen one. */
  readonly having: (part: Part) => Composition;
  readonly take: (composition: Composition) => void;
}

function Column<Part extends { readonly name: string; readonly title: string }>(
  { legend, parts, chosen, having, take }: ColumnProps<Part>,
) {
  const id = legend.replaceAll(" ", "-");
  return (
    <fieldset class="column">
      <legend>{legend}</legend>
      {parts.map((part) => {
        const { name, title } = part;
        // Why it does not fit to the other two.
        const reason = misfit(having(part));
        return (
          <div key={name} class={reason === undefined ? "part" : "part misfit"}>
            <label>
              <input
                type="radio"
                name={id}
                value={name}
                checked={name === chosen.name}
                aria-describedby={reason === undefined ? undefined : `${id}-${name}`}
                onChange={() => take(having(part))}
              />
              <span>{title}</span>
            </label>
            {reason !== undefined && <small id={`${id}-${name}`}>{reason}</small>}
          </div>
        );
      })}
    </fieldset>
  );
}

interface ComposeProps {
  /** The parts with their options. */
  readonly word: string;
  readonly choose: (word: string) => void;
  /** Trains by a composition. */
  readonly train: (word: string) => void;
}

/** The view. */
export function Compose({ word, choose, train }: ComposeProps) {
  const name = nameIn(word);
  const composition = readComposition(name);
  const { states, signal, optimization } = composition;
  const known = useMemo(presets, []);
  const take = (own: Composition) => choose(nameOf(own));
  const reason = misfit(composition);
  const preset = known.find(({ composition }) => nameOf(composition) === name)?.entry.name;
  return (
    <div class="compose">
      <p class="lead">
        An objective is a <em>preference estimation</em>, prior states and a signal on them, and a
        {" "}
        <em>transition optimization</em>. Parts that exist combine without new code.
      </p>
      <label class="inline">
        preset
        <select
          value={preset ?? ""}
          onChange={({ currentTarget: { value } }) => {
            const found = known.find(({ entry }) => entry.name === value);
            if (found !== undefined) take(found.composition);
          }}
        >
          <option value="" disabled>none: your own</option>
          {objectiveRegistry.map((entry) => {
            const isKnown = known.some((own) => own.entry === entry);
            return (
              <option key={entry.name} value={entry.name} disabled={!isKnown}>
                {entry.name}
                {isKnown ? "" : " (has parts beyond these columns)"}
              </option>
            );
          })}
        </select>
      </label>
      <div class="columns">
        <Column
          legend="prior states"
          parts={statesParts}
          chosen={states}
          having={(own) => ({ ...composition, states: own })}
          take={take}
        />
        <Column
          legend="signal"
          parts={signalParts}
          chosen={signal}
          having={(own) => ({ ...composition, signal: own })}
          take={take}
        />
        <Column
          legend="optimization"
          parts={optimizationParts}
          chosen={optimization}
          having={(own) => ({ ...composition, optimization: own })}
          take={take}
        />
      </div>
      {reason === undefined
        ? (
          <Result
            key={name}
            composition={composition}
            preset={preset}
            options={laneOf(word).options}
            setOptions={(options) => choose(wordOf(composedEntry(name), options))}
            train={train}
          />
        )
        : (
          <section class="result" aria-live="polite">
            <h2>These parts do not fit together</h2>
            <p id="reason" class="fault">
              {reason[0]?.toUpperCase()}
              {reason.slice(1)}.
            </p>
          </section>
        )}
    </div>
  );
}

interface ResultProps {
  readonly composition: Composition;
  readonly preset: string | undefined;
  readonly options: GivenOptions;
  readonly setOptions: (options: GivenOptions) => void;
  readonly train: (word: string) => void;
}

function Result({ composition, preset, options, setOptions, train }: ResultProps) {
  const entry = composedEntry(nameOf(composition));
  const row = describeEntry(entry, options);
  const code = moduleOf(codeOf(composition, options));
  const [isCopied, setCopied] = useState(false);
  const why = untrainable(entry);
  return (
    <section class="result" aria-live="polite">
      <h2>{preset === undefined ? "An objective of your own" : `This is ${preset}`}</h2>
      <p class="formula">
        <code>{formulaText(row.formula)}</code>
      </p>
      {Object.keys(entry.options).length > 0 && (
        <Fields
          table={entry.options}
          values={options}
          change={(name, value) => setOptions({ ...options, [name]: value })}
        />
      )}
      <dl class="row">
        {columns.map(([head, cell]) => (
          <div key={head}>
            <dt>{head}</dt>
            <dd>{cell(row)}</dd>
          </div>
        ))}
      </dl>
      <div class="code">
        <pre tabIndex={0} aria-label="TypeScript"><code id="code">{code}</code></pre>
        <div class="buttons">
          <button
            type="button"
            onClick={() => navigator.clipboard.writeText(code).then(() => setCopied(true))}
          >
            {isCopied ? "Copied" : "Copy"}
          </button>
          <button
            type="button"
            class="primary"
            disabled={why !== undefined}
            onClick={() => train(wordOf(entry, options))}
          >
            Train by it
          </button>
        </div>
        {why !== undefined && <p class="quiet">It cannot be trained here: {why}.</p>}
      </div>
    </section>
  );
}
