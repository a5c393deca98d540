// Every mailbox: how far it is, how fast, what failed and when it is tried next.

import { actionButton } from "./actions.js";
import { connectAgain, passwordForms, signInLinks } from "./connect.js";
import { get } from "./data.js";
import { el, ticking } from "./dom.js";
import { distance, duration, number, plural } from "./format.js";
import {
  choice, errorCell, field, fine, heading, link, numeric, pages, progress, status, table, time, tr,
  withQuery,
} from "./components.js";

const COLUMNS = [
  "Account", "Status", "Mail", "Speed", "Verified", "Compared", ["Hidden", "number"], "Last sync",
  "Next sync", "Error", "Actions",
];

const STATUSES = ["active", "failing", "reauth_required", "paused", "disconnected", "purging"];
const PARAMETERS = ["search", "status", "after"];

export default {
  title: () => "Accounts",

  load({ query }, signal) {
    const chosen = Object.fromEntries(PARAMETERS.map((name) => [name, query.get(name)]));
    return get("accounts", chosen, signal);
  },

  render({ accounts, total, next }, { query }, app) {
    const isFiltered = query.get("search") || query.get("status");
    const here = query.get("after");
    const count = isFiltered ? `${plural(total, "account")} found` : plural(total, "account");
    return [
      el(
        "header",
        { class: "heading" },
        el("h1", {}, "Accounts"),
        signInLinks(app),
      ),
      failedSignIn(query),
      byPassword(query, app),
      filters(query, app),
      fine(here || next ? `${count}; ${number(accounts.length)} of them on this page` : count),
      table("Accounts", COLUMNS, accounts.map((each) => row(each, app)), isFiltered ? NO_MATCH : NONE),
      pages(here, next, (after) => withQuery(query, { after }), ["First page", "Next page"]),
    ];
  },
};

/** In place of the address, which an account that is being deleted has no longer. */
export const BEING_DELETED = "(being deleted)";

const NONE = "No mailbox is connected yet.";
const NO_MATCH = "No account matches.";

/** The forms for mailboxes with a password, open for one that is connected again. */
function byPassword(query, app) {
  const address = query.get("connect");
  const forms = passwordForms(app, address ?? "");
  if (!forms.length) return null;
  return el(
    "details",
    { key: `by password ${address}`, open: address !== null },
    el("summary", {}, "Connect a mailbox by its password"),
    forms,
  );
}

function filters(query, app) {
  const pick = ({ currentTarget: { name, value } }) =>
    app.go(withQuery(query, { [name]: value.trim(), after: null }));
  const statuses = STATUSES.map((each) => [each, each.replaceAll("_", " ")]);
  return el(
    "form",
    { class: "filters", "aria-label": "Filters", onsubmit: (event) => event.preventDefault() },
    field("Address or id", "search", {
      type: "search", value: query.get("search") ?? "", onchange: pick, placeholder: "a part of it",
    }),
    choice("Status", "status", [["", "any status"], ...statuses], query.get("status"), pick),
  );
}

function row(account, app) {
  const { accountId: id, emailAddress: address } = account;
  return tr(
    id,
    heading(
      link(`/accounts/${id}`, address || BEING_DELETED),
      " ", el("span", { class: "fine" }, account.providerTitle),
    ),
    standing(account),
    progress(account.syncProgress, account.syncTotal, `Mail of ${address}`),
    speed(account) ?? "–",
    time(account.verifiedAt, "not yet"),
    time(account.comparedAt, "not yet"),
    numeric(number(account.pendingRemoval?.hidden ?? 0)),
    time(account.lastSyncAt),
    next(account),
    errorCell({ error: account.lastError?.name, errorMessage: account.lastError?.message }),
    el("td", { class: "buttons" }, accountButtons(account, app)),
  );
}

/** Why a sign-in failed, as the API sends the browser back; null for every other address. */
export function failedSignIn(query) {
  const failed = query.get("error") && (query.get("error_description") ?? query.get("error"));
  return failed && el("p", { class: "error", role: "alert" }, `No mailbox was connected: ${failed}`);
}

/** What a first sync takes, as the API estimates it from the provider's count. */
function estimated({ messages, durationSeconds, requests, usd }) {
  const time = duration(durationSeconds * 1000);
  const cost = usd < 0.01 ? "less than $0.01" : `$${usd.toFixed(2)}`;
  return `${plural(messages, "message")}: about ${time}, ${plural(requests, "request")} of the provider's quota, ${cost} on AWS.`;
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
  const isDue = () => new Date(account.nextSyncAt) <= new Date();
  return ticking(() =>
    isDue() ? "due now" : [time(account.nextSyncAt), ` (${distance(account.nextSyncAt)})`],
  );
}

/** Sync, cancel, pause, resume, connect again and confirm a removal, as far as they make sense now. */
export function accountButtons(account, app) {
  const fields = { accountId: account.accountId };
  const button = (label, name, done, more = {}) =>
    actionButton(app, label, { name, fields: { ...fields, ...more }, done });
  const started = ({ runId, message }) => [message, " ", link(`/runs/${runId}`, "See its run")];
  const isActive = ["active", "queued", "syncing"].includes(account.status);
  return [
    account.runId && button("Cancel", "cancel", ({ message }) => message),
    isActive && !account.runId && [
      button("Sync", "sync", started, { syncType: "manual" }),
      button("Full sync", "sync", started, { syncType: "full" }),
    ],
    isActive && account.initialSyncCompleted === false && button("Estimate", "estimate", estimated),
    isActive && button("Pause", "pause", () => "Paused."),
    account.status === "paused" && button("Resume", "resume", () => "Resumed."),
    connectAgain(account, app),
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
