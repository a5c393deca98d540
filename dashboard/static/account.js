// One mailbox: its folders with the verification of each, what is hidden, differs or is in quarantine.

import { accountButtons, BEING_DELETED, next, speed, standing } from "./accounts.js";
import {
  buttons, code, cut, facts, fine, link, mark, numeric, progress, reason, table, time, tr, wide,
} from "./components.js";
import { get } from "./data.js";
import { el } from "./dom.js";
import { ordered } from "./folders.js";
import { clock, number, plural } from "./format.js";
import { runsTable } from "./runs.js";

const RECENT = 5;
const MAX_LISTED_QUARANTINE = 200; // of the server's statement `quarantine`
const FOLDER_COLUMNS = [
  "Folder", "Stored, of the provider's", ["Unread", "number"], ["Quarantined", "number"],
  "Verified", "Compared", "Error",
];
const QUARANTINE_COLUMNS = [
  "Folder", "Cause", "Detail", ["Attempts", "number"], "Last tried", "Next try", "Message",
];

export default {
  title: (account) => account.emailAddress || BEING_DELETED,

  async load({ id }, signal) {
    const [account, runs] = await Promise.all([
      get(`accounts/${id}`, {}, signal),
      get("runs", { account: id, limit: RECENT }, signal),
    ]);
    return { ...account, runs: runs.runs };
  },

  render(account, { query }, app) {
    const { lastError: error } = account;
    return [
      el(
        "header",
        { class: "heading" },
        el("h1", {}, el("bdi", {}, account.emailAddress || BEING_DELETED), " ", standing(account)),
        buttons(accountButtons(account, app)),
      ),
      error && el("p", { class: "error", key: "error" }, reason(error.name, error.message)),
      facts(
        ["Provider", account.providerTitle],
        ["Mail", progress(account.syncProgress, account.syncTotal, "Mail stored")],
        ["Speed", speed(account)],
        ["First sync", account.initialSyncCompleted ? "complete and verified" : "not complete yet"],
        ["Verified: counts agree", time(account.verifiedAt, "not yet")],
        ["Compared: ids and versions", time(account.comparedAt, "not every folder yet")],
        ["Last sync", time(account.lastSyncAt)],
        ["Next sync", next(account)],
        ["Mailbox", link(`/mailbox?accountId=${account.accountId}`, "Open")],
      ),
      hidden(account.pendingRemoval),
      el("h2", {}, "Folders"),
      foldersTable(account, query),
      differences(account, query),
      quarantine(account.quarantine),
      el("h2", {}, "Newest runs"),
      runsTable(account.runs, "Newest runs"),
    ];
  },
};

function hidden(removal) {
  if (!removal) return null;
  const { hidden: messages, gone, folders, goneSince, deletedFrom, needsConfirmation } = removal;
  const p = (...children) => el("p", {}, children);
  return el(
    "section",
    { "aria-labelledby": "hidden", key: "hidden" },
    el("h2", { id: "hidden" }, "Hidden mail"),
    p(
      `Hidden because they left their folders: ${plural(messages, "message")}.`,
      folders > 0 && ` Hidden because they are gone: ${plural(folders, "folder")}.`,
    ),
    gone > 0 && p(
      "The provider has reported since ", time(goneSince),
      ` that ${plural(gone, "message")} of them are gone. They are deleted when it does so again at `,
      time(deletedFrom), " or later.",
    ),
    needsConfirmation &&
      el("p", { class: "error" }, "Most of the mailbox would go. Confirm the removal if it is meant."),
  );
}

function foldersTable(account, query) {
  const [shown, rest] = cut(ordered(account.folders), "folders", "folder", query);
  return [table("Folders and their verification", FOLDER_COLUMNS, shown.map(folder)), rest];
}

function folder(row) {
  return tr(
    row.id,
    el("th", { scope: "row", style: { "--depth": row.depth } }, row.displayName),
    progress(row.total, row.remoteTotal - row.countOffset, `Mail of ${row.displayName}`),
    numeric(number(row.unread)),
    numeric(number(row.quarantined)),
    verified(row),
    time(row.comparedAt, "not yet"),
    el("td", { class: "error-cell" }, row.error ? reason(row.error.name, row.error.message) : ""),
  );
}

function verified(row) {
  if (row.walking) return mark("live", "being read");
  if (row.differing) return mark("warn", plural(row.differing, "difference"));
  if (row.verifiedAt && !row.isUneven) {
    const equal = mark("good", `equal, ${clock(row.verifiedAt)}`);
    return row.countOffset ? [equal, ` (the provider counts ${number(row.remoteTotal)})`] : equal;
  }
  return mark("wait", row.verifiedAt ? "changed since" : "not yet");
}

function differences({ folders, differences: ids }, query) {
  const uneven = folders.filter(({ isUneven }) => isUneven);
  const [named, otherFolders] = cut(uneven, "uneven", "folder", query);
  const [listed, others] = cut(ids, "differences", "message", query);
  if (!uneven.length && !ids.length) return null;
  return [
    el("h2", {}, "Differences"),
    uneven.length > 0 && [
      el("p", {}, "The counts differ; the next sync compares these folders message by message."),
      el("ul", {}, named.map(unevenFolder)),
      otherFolders,
    ],
    ids.length > 0 && [
      el("p", {}, "The provider contradicts itself; what it says by id is what is stored."),
      table("Messages that differ", ["Folder", "Cause", "Found", "Message"], listed.map(difference)),
      others,
    ],
  ];
}

const CAUSES = {
  missing: "in the provider's list, gone when asked for by id",
  surplus: "not in the provider's list, there when asked for by id",
  misread: "read state differs between the provider's list and the message",
};

const messageId = (id) => wide(code(id));

const difference = ({ messageId: id, folder: name, cause, foundAt }) =>
  tr(id, name, wide(reason(cause, CAUSES[cause])), time(foundAt), messageId(id));

function unevenFolder({ id, displayName, total, quarantined: aside, remoteTotal }) {
  const ours = `${number(total)} stored and ${number(aside)} in quarantine`;
  const counts = `: ${ours}, ${number(remoteTotal)} at the provider.`;
  return el("li", { key: id }, el("bdi", {}, displayName), counts);
}

function quarantine(messages) {
  if (!messages?.length) return null;
  const rows = messages.map(quarantined);
  return [
    el("h2", {}, "Quarantine"),
    table("Messages that cannot be stored", QUARANTINE_COLUMNS, rows),
    rows.length >= MAX_LISTED_QUARANTINE && fine(
      `These are the ${rows.length} messages that were tried last; there may be more.`,
    ),
  ];
}

function quarantined(row) {
  return tr(
    row.messageId,
    row.folder ?? "–",
    el("code", {}, row.cause),
    wide(row.detail),
    numeric(number(row.attempts)),
    time(row.lastTriedAt),
    time(row.nextTryAt),
    messageId(row.messageId),
  );
}
