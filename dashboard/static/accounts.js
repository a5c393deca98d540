// Every mailbox: how far it is, how fast, what failed and when it is tried next.

import { actionButton } from "./actions.js";
import { get } from "./data.js";
import { el } from "./dom.js";
import { distance, duration, number, plural } from "./format.js";
import { progress, status, table, time } from "./components.js";

const COLUMNS = [
  "Account", "Status", "Mail", "Speed", "Verified", "Compared", ["Hidden", "number"], "Last sync",
  "Next sync", "Error", "Actions",
];

export default {
  title: () => "Accounts",

  load: (_place, signal) => get("accounts", {}, signal),

  ticks: () => true,

  render({ accounts }, { query }, app) {
    // As the API sends a person back whose sign-in failed; it is text, whoever wrote the address.
    const failed = query.get("error") && (query.get("error_description") ?? query.get("error"));
    return [
      el("h1", {}, "Accounts"),
      failed && el("p", { class: "error", role: "alert" }, `No mailbox was connected: ${failed}`),
      table("Accounts", COLUMNS, accounts.map((each) => row(each, app)), NONE),
    ];
  },
};

const NONE = "No mailbox is connected yet. The page Start has a button for that.";

function row(account, app) {
  return el(
    "tr",
    { key: account.accountId },
    el("th", { scope: "row" }, el("a", { href: `/accounts/${account.accountId}` }, account.emailAddress)),
    el("td", {}, standing(account)),
    el("td", {}, progress(account.syncProgress, account.syncTotal, `Mail of ${account.emailAddress}`)),
    el("td", {}, speed(account) ?? "–"),
    el("td", {}, time(account.verifiedAt, "not yet")),
    el("td", {}, time(account.comparedAt, "not yet")),
    el("td", { class: "number" }, number(account.pendingRemoval?.hidden ?? 0)),
    el("td", {}, time(account.lastSyncAt)),
    el("td", {}, next(account)),
    el("td", { class: "error-cell", title: account.lastError?.message }, failure(account)),
    el("td", { class: "buttons" }, accountButtons(account, app)),
  );
}

const failure = ({ lastError }) => lastError?.name ?? "";

/** What the account may do and what it is doing. */
export function standing(account) {
  const isPlain = account.status === "active";
  return status(isPlain && account.syncStatus ? account.syncStatus : account.status);
}

/** "120 per second, 25 s left"; null while nothing runs. */
export function speed({ rate, etaSeconds }) {
  if (!rate) return null;
  const left = etaSeconds ? `, ${duration(etaSeconds * 1000)} left` : "";
  return `${number(Math.round(rate))} per second${left}`;
}

export function next(account) {
  if (account.runId) return el("a", { href: `/runs/${account.runId}` }, "running now");
  if (!account.nextSyncAt) return "–";
  const isDue = new Date(account.nextSyncAt) <= new Date();
  return isDue ? "due now" : [time(account.nextSyncAt), ` (${distance(account.nextSyncAt)})`];
}

/** Sync, cancel, pause, resume and confirm a removal, as far as they make sense now. */
export function accountButtons(account, app) {
  const fields = { accountId: account.accountId };
  const started = (result) => [
    "Sync started. ",
    el("a", { href: `/runs/${result.runId}` }, "See its run"),
  ];
  const sync = (label, syncType) =>
    actionButton(app, label, { name: "sync", fields: { ...fields, syncType }, done: started });
  const isPaused = account.status === "paused";
  return [
    account.runId
      ? actionButton(app, "Cancel", { name: "cancel", fields, done: () => "The run is stopping." })
      : [sync("Sync", "manual"), sync("Full sync", "full")],
    isPaused
      ? actionButton(app, "Resume", { name: "resume", fields, done: () => "Resumed." })
      : actionButton(app, "Pause", { name: "pause", fields, done: () => "Paused." }),
    account.pendingRemoval?.needsConfirmation && confirmRemoval(account, app),
  ];
}

function confirmRemoval({ accountId, emailAddress, pendingRemoval }, app) {
  const messages = plural(pendingRemoval.gone, "message");
  return actionButton(app, "Confirm removal", {
    name: "confirm-removal",
    fields: { accountId },
    confirm: `Is it meant that ${messages} of ${emailAddress} are gone? They will be deleted here, too.`,
    done: (result) => result.message,
  });
}
