// Every run, newest first; an address for each filter and each page.

import { get } from "./data.js";
import { el } from "./dom.js";
import { distance, duration } from "./format.js";
import {
  choice, errorCell, numeric, pages, status, table, time, tr, withQuery,
} from "./components.js";

const FILTERS = ["account", "status", "trigger"];
const STATUSES = ["queued", "running", "completed", "failed", "cancelled"];
const TRIGGERS = ["api", "connect", "schedule", "event", "console", "self-test"];

export default {
  title: () => "Runs",

  async load({ query }, signal) {
    const chosen = Object.fromEntries([...FILTERS, "before"].map((name) => [name, query.get(name)]));
    const [listed, accounts] = await Promise.all([
      get("runs", chosen, signal),
      get("accounts", {}, signal),
    ]);
    return { ...listed, accounts: accounts.accounts };
  },

  ticks: ({ runs }) => runs.some(isOpen),

  render({ runs, next, accounts }, { query }, app) {
    const isFiltered = FILTERS.some((name) => query.get(name));
    return [
      el("h1", {}, "Runs"),
      filters(accounts, query, app),
      runsTable(runs, "Runs, newest first", isFiltered ? "No run matches." : undefined),
      pages(query.get("before"), next, (before) => withQuery(query, { before })),
    ];
  },
};

export const isOpen = (run) => ["queued", "running", "waiting"].includes(run.status);

function filters(accounts, query, app) {
  const pick = (event) => {
    const { name, value } = event.currentTarget;
    app.go(withQuery(query, { [name]: value, before: null }));
  };
  const any = (text) => [["", text]];
  const pickOne = (label, name, options) => choice(label, name, options, query.get(name), pick);
  const plain = (values) => values.map((value) => [value, value]);
  const mailboxes = accounts.map(({ accountId, emailAddress }) => [accountId, emailAddress]);
  return el(
    "form",
    { class: "filters", "aria-label": "Filters", onsubmit: (event) => event.preventDefault() },
    pickOne("Account", "account", [...any("all accounts"), ...mailboxes]),
    pickOne("Status", "status", [...any("any status"), ...plain(STATUSES)]),
    pickOne("Trigger", "trigger", [...any("any trigger"), ...plain(TRIGGERS)]),
  );
}

/** A table of runs; also shown on other pages. */
export function runsTable(runs, caption, empty = "No run yet. Connect a mailbox to see one.") {
  const columns = ["Status", "Run", "Account", "Why", "Started", ["Duration", "number"], "Error"];
  return table(caption, columns, runs.map(row), empty);
}

function row(run) {
  const began = run.startedAt ?? run.createdAt;
  const took = isOpen(run) ? Date.now() - new Date(began) : run.durationMs;
  return tr(
    run.id,
    status(run.status),
    el("a", { href: `/runs/${run.id}`, class: "row-link" }, run.workflow),
    run.emailAddress ?? "–",
    [run.trigger, run.syncType].filter(Boolean).join(", ") || "–",
    [time(began), " ", el("span", { class: "fine" }, distance(began))],
    numeric(duration(Math.max(took ?? 0, 0))),
    errorCell(run.error, run.errorMessage),
  );
}
