/** Train: objectives side by side from one checkpoint. */
import { defaultOf, type GivenOptions, objectiveRegistry } from "@unitune/objectives";
import { UserError } from "@unitune/training";
import { useId, useState } from "npm:preact@11/hooks";
import { checkLanes } from "../address.ts";
import { type Experiment, experimentTable, MOST_LANES } from "../experiment.ts";
import { laneOf, untrainable, wordOf } from "../lanes.ts";
import { Chart, shownNumber } from "./chart.tsx";
import { DeviceChoice, type DeviceChoiceProps } from "./device_choice.tsx";
import { Fields } from "./fields.tsx";
import type { Controls, Session, Stage } from "./session.ts";
import { Term } from "./term.tsx";

/** A curve that is shown if some training measures it. */
interface Shown {
  readonly metric: string;
  readonly range?: readonly [number, number];
}

const curves: readonly Shown[] = [
  { metric: "eval_exact_match", range: [0, 1] },
  { metric: "loss" },
  { metric: "eval_loss" },
  { metric: "nll" },
  { metric: "entropy" },
  { metric: "reward", range: [0, 1] },
  { metric: "rewards/margins" },
  { metric: "kl" },
  { metric: "lambda", range: [0, 1] },
  { metric: "grad_norm" },
  { metric: "tokens_per_second" },
];

/** The steps a second between which a visitor chooses; 0 is as fast as it goes. */
const paces = [1, 5, 20, 0] as const;

/** A sentence on the stage, for the live region. */
function told({ stage, isPlaying, baseStep, baseSteps }: Session): string {
  const sentences: Readonly<Record<Stage, string>> = {
    base: baseStep === 0
      ? "Preparing data and compiling the training step."
      : `Training the common checkpoint, and a teacher if there is one: step ${baseStep} of ` +
        `${baseSteps}.`,
    ready: isPlaying ? "Training." : "Paused.",
    done: "Finished.",
    failed: "Stopped.",
  };
  return sentences[stage];
}

interface TrainProps {
  readonly experiment: Experiment;
  readonly change: (experiment: Experiment) => void;
  readonly session: Session;
  readonly controls: Controls;
  readonly devices: DeviceChoiceProps;
}

/** The view. */
export function Train({ experiment, change, session, controls, devices }: TrainProps) {
  const { values, lanes } = experiment;
  const [pace, setPace] = useState(0);
  const { stage, isPlaying, history, startMatch } = session;
  const step = history.lastStep();
  const hasTeacher = lanes.some((word) => laneOf(word).entry.teacher);
  const isOver = stage === "done" || stage === "failed";
  const choosePace = (own: number) => {
    setPace(own);
    controls.pace(own);
  };
  return (
    <div class="train">
      <section class="controls" aria-label="Training">
        <div class="buttons">
          <button
            type="button"
            class="primary"
            disabled={isOver}
            onClick={isPlaying ? controls.pause : controls.play}
          >
            {isPlaying ? "Pause" : "Play"}
          </button>
          <button type="button" disabled={isOver} onClick={controls.step}>Step</button>
          <button type="button" onClick={() => (controls.reset(), controls.pace(pace))}>
            Reset
          </button>
        </div>
        <label class="inline">
          speed
          <select
            value={String(pace)}
            onChange={({ currentTarget }) => choosePace(Number(currentTarget.value))}
          >
            {paces.map((own) => (
              <option key={own} value={String(own)}>
                {own === 0 ? "as fast as it goes" : `${own} steps a second`}
              </option>
            ))}
          </select>
        </label>
        <p class="count">
          <output id="step" aria-label="step">{step}</output>
          <span>of {values.steps} steps</span>
        </p>
        <progress
          aria-label="progress"
          max={stage === "base" ? session.baseSteps : values.steps}
          value={stage === "base" ? session.baseStep : step}
        />
        <p class="status" role="status" data-stage={stage}>{told(session)}</p>
        <DeviceChoice {...devices} />
      </section>

      <Lanes experiment={experiment} change={change} session={session} />

      <p class="quiet">
        {hasTeacher && `The teacher has ${values.teacherSteps} more steps of SFT. `}
        All start from one checkpoint, trained by SFT for {values.baseSteps} steps
        {Number.isFinite(startMatch) && (
          <>
            : <Term name="eval_exact_match" shown="exact match" /> {shownNumber(startMatch)}
          </>
        )}. Lines are means over {values.seeds} {values.seeds === 1 ? "seed" : "seeds"}
        {values.seeds > 1 && ", bands their range"}.
      </p>
      <div class="charts">
        {curves.filter(({ metric }) => history.has(metric)).map(({ metric, range }) => (
          <Chart
            key={metric}
            metric={metric}
            names={lanes}
            steps={values.steps}
            history={history}
            version={session.version}
            {...range && { range }}
          />
        ))}
        {step === 0 && (
          <div class="empty">
            <p>Curves appear with the first step.</p>
          </div>
        )}
      </div>

      <details class="settings">
        <summary>Settings of the experiment</summary>
        <p class="quiet">A change begins the experiment anew. The address holds every setting.</p>
        <Fields
          table={fields}
          values={values}
          change={(name, value) => change({ lanes, values: { ...values, [name]: value } })}
        />
        <Rows
          key={values.rows}
          rows={values.rows}
          change={(rows) => change({ lanes, values: { ...values, rows } })}
        />
      </details>
    </div>
  );
}

/** The settings with a field of the usual kind. */
const { rows: _, ...fields } = experimentTable;

/** The longest rows, in characters: the address holds them, and browsers bound its length. */
const LONGEST_ROWS = 20_000;

/** Rows to begin with. */
const sampleRows = `prompt,completion
${
  Array.from({ length: 40 }, (_, i) => [...String(17 * i + 10)])
    .map((digits) => `reverse ${digits.join("")},${digits.toReversed().join("")}`).join("\n")
}`;

interface RowsProps {
  readonly rows: string;
  readonly change: (rows: string) => void;
}

/** Rows of the visitor's own in place of the built-in task. */
function Rows({ rows, change }: RowsProps) {
  const [text, setText] = useState(rows);
  const id = useId();
  const isLong = text.length > LONGEST_ROWS;
  return (
    <div class="rows">
      <label>
        rows of your own in place of the task, as JSON lines or as a table whose first line names
        the columns: <code>prompt</code> and <code>completion</code>, or with <code>chosen</code>
        {" "}
        and <code>rejected</code> in place of a completion; the last tenth of them is for validation
        <textarea
          rows={6}
          spellcheck={false}
          aria-invalid={isLong}
          aria-describedby={`${id}-long`}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
      <p id={`${id}-long`} class={isLong ? "fault" : "hidden"} role="status">
        {isLong &&
          `These rows have ${text.length.toLocaleString("en")} characters, and an address holds ` +
            `${LONGEST_ROWS.toLocaleString("en")}: paste fewer, or train on a file by ` +
            `"deno task train --data".`}
      </p>
      <div class="buttons">
        <button type="button" disabled={text === rows || isLong} onClick={() => change(text)}>
          Learn these rows
        </button>
        <button type="button" disabled={text !== ""} onClick={() => setText(sampleRows)}>
          Show an example
        </button>
        <button type="button" disabled={rows === ""} onClick={() => change("")}>
          Back to the task
        </button>
      </div>
    </div>
  );
}

/** The objectives of an experiment. */
function Lanes({ experiment, change, session }: Omit<TrainProps, "controls" | "devices">) {
  const { lanes } = experiment;
  const [fault, setFault] = useState<string>();
  const choose = (own: readonly string[]) => {
    try {
      checkLanes(own);
      setFault(undefined);
      change({ ...experiment, lanes: own });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      setFault(error.message);
    }
  };
  const trainable = objectiveRegistry.filter((entry) => untrainable(entry) === undefined);
  const unused = trainable.find(({ name }) => !lanes.includes(name));
  return (
    <section aria-label="Objectives">
      <ul class="lanes">
        {lanes.map((word, i) => {
          const { entry, options } = laneOf(word);
          const replace = (own: string) => choose(lanes.map((one, k) => k === i ? own : one));
          const set = (given: GivenOptions) => replace(wordOf(entry, { ...options, ...given }));
          return (
            <li key={i} class={`lane series-${i}`}>
              <div class="head">
                <span class="swatch" aria-hidden="true" />
                <label>
                  <span class="hidden">objective {i + 1}</span>
                  <select
                    value={entry.name}
                    onChange={({ currentTarget }) => replace(currentTarget.value)}
                  >
                    {!trainable.includes(entry) && <option value={entry.name}>{entry.name}</option>}
                    {trainable.map(({ name }) => <option key={name} value={name}>{name}</option>)}
                  </select>
                </label>
                <span class="match">
                  <Term name="eval_exact_match" shown="exact match" />{" "}
                  <output>
                    {shownNumber(session.history.latest("eval_exact_match", i))}
                  </output>
                </span>
                {lanes.length > 1 && (
                  <button
                    type="button"
                    class="remove"
                    aria-label={`remove ${word}`}
                    onClick={() => choose(lanes.filter((_, k) => k !== i))}
                  >
                    ×
                  </button>
                )}
              </div>
              {Object.keys(entry.options).length > 0 && (
                <details>
                  <summary>
                    {Object.entries(entry.options).slice(0, 2).map(([name, option]) =>
                      `${name} ${options[name] ?? defaultOf(option) ?? "\u2013"}`
                    ).join(", ")}
                  </summary>
                  <Fields
                    table={entry.options}
                    values={options}
                    change={(name, value) => set({ [name]: value })}
                  />
                </details>
              )}
            </li>
          );
        })}
        {lanes.length < MOST_LANES && unused !== undefined && (
          <li class="lane add">
            <button type="button" onClick={() => choose([...lanes, unused.name])}>
              Add an objective
            </button>
          </li>
        )}
      </ul>
      {fault !== undefined && <p class="fault" role="alert">{fault}</p>}
    </section>
  );
}
