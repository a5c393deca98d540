// Every mailbox: how far it is, how fast, what failed and when it is tried next.

import { actionButton } from "./actions.js";
import { get } from "./data.js";
import { el } from "./dom.js";
import { distance, duration, number, plural } from "./format.js";
import {
  errorCell, heading, link, numeric, progress, status, table, time, tr,
} from "./components.js";

const COLUMNS = [
  "Account", "Status", "Mail", "Speed", "Verified", "Compared", ["Hidden", "number"], "Last sync",
  "Next sync", "Error", "Actions",
];

export default {
  title: () => "Accounts",

  load: (_place, signal) => get("accounts", {}, signal),

  ticks: () => true,

  render({ accounts }, { query }, app) {
    return [
      el("h1", {}, "Accounts"),
      failedSignIn(query),
      table("Accounts", COLUMNS, accounts.map((each) => row(each, app)), NONE),
    ];
  },
};

const NONE = "No mailbox is connected yet. The page Start has a button for that.";

function row(account, app) {
  const { accountId: id, emailAddress: address } = account;
  return tr(
    id,
    heading(link(`/accounts/${id}`, address)),
    standing(account),
    progress(account.syncProgress, account.syncTotal, `Mail of ${address}`),
    speed(account) ?? "–",
    time(account.verifiedAt, "not yet"),
    time(account.comparedAt, "not yet"),
    numeric(number(account.pendingRemoval?.hidden ?? 0)),
    time(account.lastSyncAt),
    next(account),
    errorCell(account.lastError?.name, account.lastError?.message),
    el("td", { class: "buttons" }, accountButtons(account, app)),
  );
}

/** Why a sign-in failed, as the API sends the browser back; null for every other address. */
export function failedSignIn(query) {
  const failed = query.get("error") && (query.get("error_description") ?? query.get("error"));
  return failed && el("p", { class: "error", role: "alert" }, `No mailbox was connected: ${failed}`);
}

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
  if (account.runId) return link(`/runs/${account.runId}`, "running now");
  if (!account.nextSyncAt) return "–";
  const isDue = new Date(account.nextSyncAt) <= new Date();
  return isDue ? "due now" : [time(account.nextSyncAt), ` (${distance(account.nextSyncAt)})`];
}

/** Sync, cancel, pause, resume and confirm a removal, as far as they make sense now. */
export function accountButtons(account, app) {
  const fields = { accountId: account.accountId };
  const button = (label, name, done, more = {}) =>
    actionButton(app, label, { name, fields: { ...fields, ...more }, done });
  const started = ({ runId }) => ["Sync started. ", link(`/runs/${runId}`, "See its run")];
  return [
    account.runId
      ? button("Cancel", "cancel", () => "The run is stopping.")
      : [
          button("Sync", "sync", started, { syncType: "manual" }),
          button("Full sync", "sync", started, { syncType: "full" }),
        ],
    account.status === "paused"
      ? button("Resume", "resume", () => "Resumed.")
      : button("Pause", "pause", () => "Paused."),
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
