/** Your model: a checkpoint of one's own is read, conversed with, and adapted to pasted rows. */
import { type OptionTable, optionValues } from "@unitune/objectives";
import { showBytes } from "@unitune/training";
import { useState } from "npm:preact@11/hooks";
import type { AnswerEnd, Voice } from "../own/protocol.ts";
import { firstTuning, tuningTable } from "../own/tuning_table.ts";
import { Chart } from "./chart.tsx";
import { type ChosenFolder, chosenFolder, droppedFolder } from "./dropped.ts";
import { Fields } from "./fields.tsx";
import { DeviceChoice, type DeviceChoiceProps } from "./device_choice.tsx";
import type { OwnControls, OwnSession } from "./own_session.ts";

interface OwnModelProps {
  readonly session: OwnSession;
  readonly controls: OwnControls;
}

/** How answers are drawn. */
const speechTable = {
  temperature: {
    kind: "number",
    default: 0.7,
    min: 0,
    max: 2,
    help: "Divides the logits; 0 always takes the likeliest token.",
  },
  maxNewTokens: {
    kind: "integer",
    default: 128,
    min: 1,
    max: 4096,
    help: "The most tokens of an answer.",
  },
} as const satisfies OptionTable;

const firstSpeech = optionValues("speech", speechTable);

const curves = ["loss", "rewards/margins", "reward", "mean_token_accuracy"] as const;

/** Ten rows to begin with. */
const sampleRows = [
  ["What is the capital of France?", "Paris, mon ami."],
  ["What is two plus three?", "Five, mon ami."],
  ["Name a colour of the sky.", "Blue, mon ami."],
  ["Say hello in German.", "Guten Tag, mon ami."],
  ["Who wrote Hamlet?", "Shakespeare, mon ami."],
  ["How many days has a week?", "Seven, mon ami."],
  ["What is the opposite of hot?", "Cold, mon ami."],
  ["Which animal barks?", "The dog, mon ami."],
  ["What do bees make?", "Honey, mon ami."],
  ["What is ice?", "Frozen water, mon ami."],
].map(([prompt, completion]) => JSON.stringify({ prompt, completion })).join("\n");

/** Why an answer is not whole. */
const ends: Readonly<Record<AnswerEnd, string>> = {
  "stop token": "",
  length: "The answer is cut off: it has as many tokens as it may have.",
  stopped: "Stopped.",
};

function Fault({ text }: { readonly text: string | undefined }) {
  return text === undefined ? null : <p class="fault" role="alert">{text}</p>;
}

/** What is told of the model. */
function told({ about, doing, name, read, total }: OwnSession): string {
  const percent = `${Math.floor(100 * read)} %`;
  if (doing === "reading") return `Reading ${name}: ${percent}.`;
  if (doing === "downloading") {
    return total === 0
      ? `Looking for ${name}.`
      : `Downloading ${name}: ${percent} of ${showBytes(total)}.`;
  }
  if (about === undefined) return "";
  const { architecture, parameters, bytes, context, isTemplateGiven } = about;
  return `${name}: ${architecture}, ${parameters.toLocaleString("en")} parameters in ` +
    `${showBytes(bytes)}, a context of ${context} tokens.` +
    (isTemplateGiven
      ? " It has no chat template, so it gets that of Alpaca, as base models do."
      : "");
}

interface OwnModelViewProps extends OwnModelProps {
  /** The address of the hub that the page may read; undefined if it may read none. */
  readonly hub: string | undefined;
  readonly devices: DeviceChoiceProps;
}

/** The view. */
export function OwnModel({ session, controls, hub, devices }: OwnModelViewProps) {
  const { about, doing, faults } = session;
  const { device } = devices;
  const [isOver, setOver] = useState(false);
  const [unread, setUnread] = useState<string>();
  const read = ({ name, files }: ChosenFolder) => {
    if (files.length > 0) controls.read(name, { kind: "files", files }, device);
  };
  return (
    <div class="own">
      <p class="lead">
        A model of your own: a folder as <code>transformers</code> saves it, with{" "}
        <code>config.json</code>, <code>model.safetensors</code> and{" "}
        <code>tokenizer.json</code>. It is read by this page and goes nowhere else.
      </p>
      <div
        class={isOver ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          setUnread(undefined);
          if (event.dataTransfer === null) return;
          droppedFolder(event.dataTransfer).then(read).catch((error: DOMException) =>
            setUnread(`the folder cannot be read: ${error.message}`)
          );
        }}
      >
        <label>
          Choose the model’s folder, or drop it here
          <input
            type="file"
            multiple
            // The types of Preact do not know the attribute, which all browsers have.
            ref={(input) => input?.setAttribute("webkitdirectory", "")}
            onChange={({ currentTarget }) => {
              read(chosenFolder([...currentTarget.files ?? []]));
              currentTarget.value = "";
            }}
          />
        </label>
        <p role="status" class="quiet" data-doing={doing}>{told(session)}</p>
        {(doing === "reading" || doing === "downloading") && (
          <progress aria-label={doing} max={1} value={session.read} />
        )}
      </div>
      {hub !== undefined && (
        <Hub
          endpoint={hub}
          isBusy={doing === "downloading"}
          read={(name) =>
            controls.read(name, { kind: "hub", place: { endpoint: hub, name } }, device)}
          stop={controls.stop}
        />
      )}
      <DeviceChoice {...devices} isDisabled={doing !== "nothing"} />
      <Fault text={unread ?? faults.read} />
      {about !== undefined && (
        <div class="halves">
          <Chat session={session} controls={controls} />
          <Tune session={session} controls={controls} />
        </div>
      )}
    </div>
  );
}

interface HubProps {
  readonly endpoint: string;
  readonly isBusy: boolean;
  readonly read: (name: string) => void;
  readonly stop: () => void;
}

/** A model of the hub, by its name. */
function Hub({ endpoint, isBusy, read, stop }: HubProps) {
  const [name, setName] = useState("");
  return (
    <form
      class="hub"
      onSubmit={(event) => {
        event.preventDefault();
        if (name.trim() !== "" && !isBusy) read(name.trim());
      }}
    >
      <label>
        or name a model of {new URL(endpoint).host}
        <input
          value={name}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          placeholder="owner/name"
          onInput={({ currentTarget }) => setName(currentTarget.value)}
        />
      </label>
      {isBusy
        ? <button type="button" onClick={stop}>Stop</button>
        : <button type="submit">Download</button>}
    </form>
  );
}

/** A conversation. */
function Chat({ session, controls }: OwnModelProps) {
  const { conversation, doing, end, steps, faults } = session;
  const [text, setText] = useState("");
  const [voice, setVoice] = useState<Voice>("adapter");
  const [how, setHow] = useState(firstSpeech);
  const speaker = steps === undefined ? "base" : voice;
  const say = () => {
    if (text.trim() === "" || doing !== "nothing") return;
    controls.say(text, { voice: speaker, ...how });
    setText("");
  };
  return (
    <section aria-label="Conversation" class="chat">
      <h3>Converse</h3>
      <div role="log" aria-label="the conversation" tabIndex={0}>
        {conversation.map(({ role, content }, i) => (
          <div key={i} class={`turn ${role}`}>
            <small>{role === "user" ? "you" : "the model"}</small>
            <p>{content}</p>
          </div>
        ))}
      </div>
      {end !== undefined && ends[end] !== "" && <p class="quiet">{ends[end]}</p>}
      <Fault text={faults.speak} />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          say();
        }}
      >
        <label>
          <span class="hidden">your message</span>
          <input
            value={text}
            autocomplete="off"
            placeholder="Say something"
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <div class="buttons">
          {doing === "speaking"
            ? <button type="button" class="primary" onClick={controls.stop}>Stop</button>
            : <button type="submit" class="primary" disabled={doing !== "nothing"}>Send</button>}
          <button
            type="button"
            disabled={doing === "speaking" || conversation.length === 0}
            onClick={controls.forget}
          >
            New conversation
          </button>
        </div>
      </form>
      {steps !== undefined && (
        <label class="inline">
          who answers
          <select
            value={voice}
            onChange={({ currentTarget: { value } }) =>
              setVoice(value === "base" ? "base" : "adapter")}
          >
            <option value="adapter">the model with the adapter</option>
            <option value="base">the model as it was</option>
          </select>
        </label>
      )}
      <details>
        <summary>How tokens are chosen</summary>
        <Fields
          table={speechTable}
          values={how}
          change={(name, value) => setHow({ ...how, [name]: value })}
        />
      </details>
    </section>
  );
}

/** An adapter. */
function Tune({ session, controls }: OwnModelProps) {
  const { doing, history, version, notes, steps, downloads, faults } = session;
  const [rows, setRows] = useState(sampleRows);
  const [values, setValues] = useState(firstTuning);
  const shown = curves.filter((metric) => history.has(metric));
  return (
    <section aria-label="Adapter" class="tune">
      <h3>Teach it</h3>
      <label>
        rows, as JSON lines or as a table whose first line names the columns
        <textarea
          rows={8}
          spellcheck={false}
          value={rows}
          onInput={({ currentTarget }) => setRows(currentTarget.value)}
        />
      </label>
      <Fields
        table={tuningTable}
        values={values}
        change={(name, value) => setValues({ ...values, [name]: value })}
      />
      <div class="buttons">
        {doing === "tuning"
          ? <button type="button" class="primary" onClick={controls.stop}>Stop</button>
          : (
            <button
              type="button"
              class="primary"
              disabled={doing !== "nothing"}
              onClick={() => controls.tune({ rows, values })}
            >
              Train an adapter
            </button>
          )}
      </div>
      <Fault text={faults.tune ?? faults.save} />
      <p role="status" class="quiet">
        {doing === "tuning"
          ? `Training: step ${history.lastStep()} of ${values.steps}.`
          : steps === undefined
          ? ""
          : `The adapter is trained, in ${steps} ${steps === 1 ? "step" : "steps"}.`}
      </p>
      {notes.length > 0 && (
        <ul class="notes quiet">{notes.map((note) => <li key={note}>{note}</li>)}</ul>
      )}
      {downloads.length > 0 && (
        <p class="downloads">
          The adapter, for <code>peft</code>, as files and as one:
          {downloads.map(({ name, url }) => (
            <>
              {" "}
              <a key={name} href={url} download={name}>{name}</a>
            </>
          ))}
        </p>
      )}
      <div class="charts">
        {shown.map((metric) => (
          <Chart
            key={metric}
            metric={metric}
            names={["adapter"]}
            steps={values.steps}
            history={history}
            version={version}
          />
        ))}
      </div>
    </section>
  );
}
