/** The playground: four views of one experiment, all of it in the address. */
import { useEffect, useState } from "npm:preact@11/hooks";
import { addressOf, type Place, readAddress, type View, views } from "../address.ts";
import { MOST_LANES } from "../experiment.ts";
import { Believe } from "./believe.tsx";
import { Compose } from "./compose.tsx";
import { Lake } from "./lake.tsx";
import { useSession } from "./session.ts";
import { Train } from "./train.tsx";

/** The names of the views for people. */
const titles: Readonly<Record<View, string>> = {
  train: "Train",
  compose: "Compose",
  believe: "Believe",
  lake: "Frozen Lake",
};

/** The page. */
export function App() {
  const [{ place, faults }, setRead] = useState(() => readAddress(location.hash));
  const { view, experiment } = place;
  const [composed, setComposed] = useState("intuitive*indicator*propagated");
  const [session, controls] = useSession(experiment);
  const go = (next: Place) => {
    history.replaceState(null, "", `#${addressOf(next)}`);
    setRead({ place: next, faults: [] });
  };
  useEffect(() => {
    const read = () => setRead(readAddress(location.hash));
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);
  useEffect(() => {
    document.title = `${titles[view]} \u00b7 Unitune playground`;
  }, [view]);
  const problems = [...faults, ...session.fault === undefined ? [] : [session.fault]];
  return (
    <>
      <header>
        <h1>Unitune playground</h1>
        <nav aria-label="Views">
          <ul>
            {views.map((own) => (
              <li key={own}>
                <a
                  href={`#${addressOf({ ...place, view: own })}`}
                  aria-current={own === view ? "page" : undefined}
                >
                  {titles[own]}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      </header>
      <main id="main">
        <h2 class="hidden">{titles[view]}</h2>
        {problems.map((problem) => <p key={problem} class="fault" role="alert">{problem}</p>)}
        {view === "train" && (
          <Train
            experiment={experiment}
            change={(own) => go({ view, experiment: own })}
            session={session}
            controls={controls}
          />
        )}
        {view === "compose" && (
          <Compose
            name={composed}
            choose={setComposed}
            train={(word) => {
              const others = experiment.lanes.filter((own) => own !== word);
              const lanes = [word, ...others].slice(0, MOST_LANES);
              go({ view: "train", experiment: { ...experiment, lanes } });
            }}
          />
        )}
        {view === "believe" && (
          <Believe lanes={experiment.lanes} session={session} controls={controls} />
        )}
        {view === "lake" && <Lake />}
      </main>
      <footer>
        <p>
          Everything runs in this page: models are trained by WebAssembly on your machine, and no
          request leaves it. {session.device !== "" &&
            `Device: ${session.device}, ${crossOriginIsolated ? "with threads" : "one thread"}.`}
        </p>
      </footer>
    </>
  );
}
