// One run: how it stands, what happens next, its steps along time, and its folders.

import { actionButton } from "./actions.js";
import { get } from "./data.js";
import { el, ticking } from "./dom.js";
import { distance, duration, number } from "./format.js";
import {
  buttons, code, cut, errorCell, facts, heading, link, numeric, progress, reason, status, table, time,
  tr,
} from "./components.js";
import { BEING_DELETED, speed } from "./accounts.js";
import { connectAgain } from "./connect.js";
import { picture } from "./picture.js";
import { isOpen } from "./runs.js";
import { waterfall } from "./waterfall.js";

export default {
  title: (run) => `${run.workflow}, ${run.status}`,

  load: ({ id }, signal) => get(`runs/${encodeURIComponent(id)}`, {}, signal),

  render(run, { query }, app) {
    return [
      title(run, app),
      outcome(run),
      el("h2", {}, "Steps"),
      stepless(run) ?? [waterfall(run, query), run.picture && machine(run)],
      run.folders?.length > 0 && [el("h2", {}, "Folders"), folders(run.folders, query)],
    ];
  },
};

/** Why there are no steps to show; null when there are. */
function stepless({ historyLost, inOneFunction, folders: worked }) {
  if (!historyLost && !inOneFunction) return null;
  const why = historyLost
    ? "The steps of this run are gone: the local engine forgets them when it stops."
    : "This run was done in one function; no steps were recorded.";
  const rest = worked.length
    ? "Its outcome and its folders come from the database."
    : "Its outcome comes from the database; no folder is known to have changed.";
  return el("p", { class: "note" }, `${why} ${rest}`);
}

function title(run, app) {
  const again = (result) => [result.message, " ", startedRun(result)];
  const stops = ({ message }) => message;
  const { accountId, id: runId } = run;
  return el(
    "header",
    { class: "heading" },
    el("h1", {}, run.workflow, " ", status(run.status)),
    buttons(
      isOpen(run) && accountId &&
        actionButton(app, "Cancel", { name: "cancel", fields: { accountId }, done: stops }),
      !isOpen(run) &&
        actionButton(app, "Run again", { name: "rerun", fields: { runId }, done: again }),
      connectAgain({ ...run, status: run.accountStatus }, app),
    ),
  );
}

function startedRun(result) {
  const id = result.runId ?? result.executionArn?.split(":").pop();
  return id ? link(`/runs/${id}`, "See the new run") : "";
}

function outcome(run) {
  const began = run.startedAt ?? run.createdAt;
  const took = () => (isOpen(run) ? Math.max(Date.now() - new Date(began), 0) : run.durationMs);
  const owner = run.accountId && link(`/accounts/${run.accountId}`, run.emailAddress || BEING_DELETED);
  return [
    run.error && el(
      "p",
      { class: run.status === "cancelled" ? "note" : "error", key: "error" },
      reason(run.error, run.errorMessage),
    ),
    run.next && el(
      "p",
      { class: "next", key: "next" },
      el("strong", {}, isOpen(run) && !run.next.at ? "Now: " : "Next: "),
      run.next.at && ticking(() => due(run.next.at)),
      run.next.what,
    ),
    facts(
      ["Mail", run.mail && progress(run.mail.done, run.mail.total, "Mail of this run")],
      ["Speed", run.mail && speed(run.mail)],
      ["Account", owner],
      ["Trigger", run.trigger],
      ["Type", run.syncType],
      ["Started", time(began)],
      ["Finished", run.finishedAt && time(run.finishedAt)],
      ["Duration", ticking(() => duration(took()))],
      ["Execution", code(run.executionArn ?? run.id)],
    ),
  ];
}

function due(at) {
  return new Date(at) > new Date() ? [time(at), ` (${distance(at)}). `] : "Due now. ";
}

function machine(run) {
  return el(
    "details",
    { key: "machine", open: true },
    el("summary", {}, el("h2", {}, "Picture")),
    picture(run.picture, { label: `States of ${run.workflow} in this run`, states: run.states }),
  );
}

const COLUMNS = [
  "Pages", "New", "Changed", "Unchanged", "Removed", "Quarantined", "Requests", "Attempts",
];

/** Those that failed stand first. */
function folders(rows, query) {
  const columns = ["Folder", "Status", ...COLUMNS.map((each) => [each, "number"]), "Error"];
  const isFailed = ({ status: ended }) => Number(ended === "failed");
  const sorted = [...rows].sort((one, other) => isFailed(other) - isFailed(one));
  const [shown, rest] = cut(sorted, "folders", "folder", query);
  return [table("What the run did in each folder", columns, shown.map(folder)), rest];
}

function folder(row) {
  const counts = [
    row.pages, row.inserted, row.updated, row.unchanged, row.removed, row.quarantined,
    row.requests, row.attempts,
  ];
  return tr(
    row.folderId,
    heading(row.displayName || "All folders"),
    status(row.status),
    ...counts.map((count) => numeric(number(count))),
    errorCell(row),
  );
}
