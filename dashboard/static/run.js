// One run: how it stands, what happens next, its steps along time, and its folders.

import { actionButton } from "./actions.js";
import { get } from "./data.js";
import { el } from "./dom.js";
import { distance, duration, number } from "./format.js";
import { facts, status, table, time } from "./components.js";
import { picture } from "./picture.js";
import { isOpen } from "./runs.js";
import { waterfall } from "./waterfall.js";

export default {
  title: (run) => `${run.workflow}, ${run.status}`,

  load: ({ id }, signal) => get(`runs/${encodeURIComponent(id)}`, {}, signal),

  ticks: isOpen,

  render(run, { query }, app) {
    return [
      heading(run, app),
      outcome(run),
      el("h2", {}, "Steps"),
      stepless(run) ?? [waterfall(run, query), run.picture && machine(run)],
      run.folders?.length > 0 && [el("h2", {}, "Folders"), folders(run.folders)],
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

function heading(run, app) {
  const account = { accountId: run.accountId };
  return el(
    "header",
    { class: "heading" },
    el("h1", {}, run.workflow, " ", status(run.status)),
    el(
      "div",
      { class: "buttons" },
      isOpen(run) && run.accountId && actionButton(app, "Cancel", {
        name: "cancel",
        fields: account,
        done: () => "The run is stopping; what is stored stays.",
      }),
      !isOpen(run) && actionButton(app, "Run again", {
        name: "rerun",
        fields: { runId: run.id },
        done: (result) => ["Started. ", link(result)],
      }),
    ),
  );
}

function link(result) {
  const id = result.runId ?? result.executionArn?.split(":").pop();
  return id ? el("a", { href: `/runs/${id}` }, "See the new run") : "";
}

function outcome(run) {
  const began = run.startedAt ?? run.createdAt;
  const took = isOpen(run) ? Math.max(Date.now() - new Date(began), 0) : run.durationMs;
  const owner = run.accountId && el("a", { href: `/accounts/${run.accountId}` }, run.emailAddress);
  return [
    run.error && el(
      "p",
      { class: "error", key: "error" },
      el("strong", {}, run.error),
      run.errorMessage ? `: ${run.errorMessage}` : "",
    ),
    run.next && el(
      "p",
      { class: "next", key: "next" },
      el("strong", {}, isOpen(run) && !run.next.at ? "Now: " : "Next: "),
      run.next.at && due(run.next.at),
      run.next.what,
    ),
    facts(
      ["Account", owner],
      ["Trigger", run.trigger],
      ["Type", run.syncType],
      ["Started", time(began)],
      ["Finished", run.finishedAt && time(run.finishedAt)],
      ["Duration", duration(took)],
      ["Execution", el("code", {}, run.executionArn ?? run.id)],
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

function folders(rows) {
  const columns = ["Folder", "Status", ...COLUMNS.map((each) => [each, "number"]), "Error"];
  return table("What the run did in each folder", columns, rows.map(folder));
}

function folder(row) {
  const counts = [
    row.pages, row.inserted, row.updated, row.unchanged, row.removed, row.quarantined,
    row.requests, row.attempts,
  ];
  return el(
    "tr",
    { key: row.folderId },
    el("th", { scope: "row" }, row.displayName),
    el("td", {}, status(row.status)),
    counts.map((count) => el("td", { class: "number" }, number(count))),
    el("td", { class: "error-cell", title: row.errorMessage }, row.error ?? ""),
  );
}
