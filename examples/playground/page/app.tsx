/** The playground: its views, and the address that holds what they show. */
import { useEffect, useMemo, useState } from "npm:preact@11/hooks";
import { addressOf, type Place, readAddress, type View, views } from "../address.ts";
import { MOST_LANES } from "../experiment.ts";
import { Believe } from "./believe.tsx";
import { Compose } from "./compose.tsx";
import { DrawingsOfPage } from "./chart.tsx";
import { screen, spreadDrawings } from "./frames.ts";
import { Lake } from "./lake.tsx";
import { OwnModel } from "./own_model.tsx";
import { useOwnModel } from "./own_session.ts";
import { useSession } from "./session.ts";
import { Train } from "./train.tsx";

/** The names of the views for people. */
const titles: Readonly<Record<View, string>> = {
  train: "Train",
  compose: "Compose",
  believe: "Believe",
  lake: "Frozen Lake",
  own: "Your model",
};

/** The page. */
export function App() {
  const [{ place, faults }, setRead] = useState(() => readAddress(location.hash));
  const { view, experiment } = place;
  const [session, controls] = useSession(experiment);
  const [own, ownControls] = useOwnModel();
  const drawings = useMemo(() => spreadDrawings(screen), []);
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
    <DrawingsOfPage.Provider value={drawings}>
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
            change={(own) => go({ ...place, experiment: own })}
            session={session}
            controls={controls}
          />
        )}
        {view === "compose" && (
          <Compose
            word={place.parts}
            choose={(parts) => go({ ...place, parts })}
            train={(word) => {
              const others = experiment.lanes.filter((own) => own !== word);
              const lanes = [word, ...others].slice(0, MOST_LANES);
              go({ ...place, view: "train", experiment: { ...experiment, lanes } });
            }}
          />
        )}
        {view === "believe" && (
          <Believe lanes={experiment.lanes} session={session} controls={controls} />
        )}
        {view === "lake" && <Lake lake={place.lake} change={(lake) => go({ ...place, lake })} />}
        {view === "own" && (
          <OwnModel
            session={own}
            controls={{
              ...ownControls,
              read(name, files) {
                // A model of one's own has the machine to itself.
                controls.pause();
                ownControls.read(name, files);
              },
            }}
          />
        )}
      </main>
      <footer>
        <p>
          Everything runs in this page: models are trained by WebAssembly on your machine, and no
          request leaves it. {session.device !== "" &&
            `Device: ${session.device}, ${crossOriginIsolated ? "with threads" : "one thread"}.`}
        </p>
      </footer>
    </DrawingsOfPage.Provider>
  );
}
