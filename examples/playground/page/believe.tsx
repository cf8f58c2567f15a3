/** Believe: what each model expects at every position of an answer. */
import { useEffect, useState } from "npm:preact@11/hooks";
import { EVALUATED_EVERY } from "../experiment.ts";
import type { Belief, ForcedToken, Position } from "../protocol.ts";
import type { Controls, Session } from "./session.ts";
import { Term } from "./term.tsx";

interface BelieveProps {
  readonly lanes: readonly string[];
  readonly session: Session;
  readonly controls: Controls;
}

const percent = (probability: number) => `${Math.round(100 * probability)} %`;

interface RowProps {
  readonly term: string;
  readonly positions: readonly Position[];
  readonly forced?: ForcedToken | undefined;
  readonly force?: (token: ForcedToken) => void;
}

/** The expectations along an answer. */
function Row({ term, positions, forced, force }: RowProps) {
  return (
    <div class="beliefs">
      <h4>
        <Term name={term} />
      </h4>
      <ol>
        {positions.map(({ said, expected, gold }, at) => (
          <li key={at} class={forced?.at === at ? "position forced" : "position"}>
            <span class="said">
              <code>{said}</code>
              {gold !== undefined && (
                <small title="probability of the gold token here">{percent(gold)}</small>
              )}
            </span>
            <ul>
              {expected.map(({ token, probability }) => {
                const bar = (
                  <>
                    <span
                      class={token === said ? "bar own" : "bar"}
                      style={{ inlineSize: `${100 * probability}%` }}
                    />
                    <code>{token}</code>
                    <small>{percent(probability)}</small>
                  </>
                );
                return (
                  <li key={token}>
                    {force === undefined ? <span class="token">{bar}</span> : (
                      <button
                        type="button"
                        class="token"
                        onClick={() => force({ at, token })}
                      >
                        {bar}
                        <span class="hidden">: force it at position {at + 1}</span>
                      </button>
                    )}
                  </li>
                );
              })}
            </ul>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** The answer that a model gives. */
function answerOf({ own }: Belief): string {
  return own.map(({ said }) => said).join("");
}

/** The view. */
export function Believe({ lanes, session, controls }: BelieveProps) {
  const { questions, beliefs, stage, doubt } = session;
  const [number, setNumber] = useState(0);
  const [own, setOwn] = useState<{ readonly prompt: string; readonly answer: string }>();
  const [lambda, setLambda] = useState(0.2);
  const [forced, setForced] = useState<ForcedToken>();
  const known = questions[number % Math.max(questions.length, 1)];
  const prompt = own?.prompt ?? known?.prompt ?? "";
  const answer = own?.answer ?? known?.gold ?? "";
  const isReady = stage !== "base" && stage !== "failed" && questions.length > 0;
  // Checkpoints come with evaluations, so a new version may have new beliefs; the worker has time
  // for them between two steps.
  const epoch = Math.floor(session.history.lastStep() / EVALUATED_EVERY);
  useEffect(() => {
    if (!isReady) return;
    controls.wonder({ prompt, answer, lambda, ...forced !== undefined && { forced } });
  }, [isReady, prompt, answer, lambda, forced, epoch, controls]);
  const write = (part: "prompt" | "answer", text: string) => {
    setForced(undefined);
    setOwn({ prompt, answer, [part]: text });
  };
  return (
    <div class="believe">
      <p class="lead">
        Training on gold prefixes asks what the model expects where a human has led it. Left alone,
        it stands on its own prefix. Click an expectation under the own prefix to force a wrong
        token, and see how each model goes on.
      </p>
      <form class="question" onSubmit={(event) => event.preventDefault()}>
        <label>
          prompt
          <input
            value={prompt}
            autocomplete="off"
            spellcheck={false}
            onChange={({ currentTarget }) => write("prompt", currentTarget.value)}
          />
        </label>
        <label>
          gold answer
          <input
            value={answer}
            autocomplete="off"
            spellcheck={false}
            onChange={({ currentTarget }) => write("answer", currentTarget.value)}
          />
        </label>
        <button
          type="button"
          disabled={!isReady}
          onClick={() => {
            setOwn(undefined);
            setForced(undefined);
            setNumber(number + 1);
          }}
        >
          Another example
        </button>
        <label class="slider">
          <span>
            <Term name="lambda" /> <output>{lambda.toFixed(2)}</output>
          </span>
          <input
            type="range"
            min="0"
            max="1"
            step="0.05"
            value={String(lambda)}
            onInput={({ currentTarget }) => setLambda(Number(currentTarget.value))}
          />
        </label>
        {forced !== undefined && (
          <p class="forcing">
            <code>{forced.token}</code> is forced at position {forced.at + 1}.{" "}
            <button type="button" onClick={() => setForced(undefined)}>Let go</button>
          </p>
        )}
      </form>
      {!isReady && stage !== "failed" && (
        <p role="status" class="quiet">
          The models are not ready yet: their checkpoint is trained.
        </p>
      )}
      {doubt !== undefined && <p class="fault" role="alert">{doubt}</p>}
      <div class="models">
        {beliefs.map((belief) => (
          <section
            key={belief.lane}
            class={belief.lane < 0 ? "model" : `model series-${belief.lane}`}
            aria-label={belief.lane < 0 ? "checkpoint" : lanes[belief.lane]}
          >
            <h3>
              {belief.lane >= 0 && <span class="swatch" aria-hidden="true" />}
              {belief.lane < 0 ? "common checkpoint" : lanes[belief.lane]}{" "}
              <small>step {belief.step}</small>
            </h3>
            <p class="answer">
              says <code>{answerOf(belief)}</code>
            </p>
            <Row term="gold prefix" positions={belief.gold} />
            <Row
              term="own prefix"
              positions={belief.own}
              forced={forced}
              force={setForced}
            />
            <Row term="mix" positions={belief.mixed} />
          </section>
        ))}
      </div>
    </div>
  );
}
