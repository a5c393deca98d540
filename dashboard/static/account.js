// One mailbox: its folders with the verification of each, what is hidden, differs or is in quarantine.

import { accountButtons, next, speed, standing } from "./accounts.js";
import { get } from "./data.js";
import { el } from "./dom.js";
import { ordered } from "./folders.js";
import { clock, number, plural } from "./format.js";
import { facts, progress, table, time } from "./components.js";
import { runsTable } from "./runs.js";

const RECENT = 5;
const FOLDER_COLUMNS = [
  "Folder", "Stored, of the provider's", ["Unread", "number"], ["Quarantined", "number"],
  "Verified", "Compared", "Error",
];

export default {
  title: (account) => account.emailAddress,

  async load({ id }, signal) {
    const [account, runs] = await Promise.all([
      get(`accounts/${id}`, {}, signal),
      get("runs", { account: id, limit: RECENT }, signal),
    ]);
    return { ...account, runs: runs.runs };
  },

  ticks: () => true,

  render(account, _place, app) {
    return [
      el(
        "header",
        { class: "heading" },
        el("h1", {}, account.emailAddress, " ", standing(account)),
        el("div", { class: "buttons" }, accountButtons(account, app)),
      ),
      account.lastError && el("p", { class: "error", key: "error" }, reason(account.lastError)),
      facts(
        ["Mail", progress(account.syncProgress, account.syncTotal, "Mail stored")],
        ["Speed", speed(account)],
        ["First sync", account.initialSyncCompleted ? "complete and verified" : "not complete yet"],
        ["Verified: counts agree", time(account.verifiedAt, "not yet")],
        ["Compared: ids and versions", time(account.comparedAt, "not every folder yet")],
        ["Last sync", time(account.lastSyncAt)],
        ["Next sync", next(account)],
        ["Mailbox", el("a", { href: `/mailbox?accountId=${account.accountId}` }, "Open")],
      ),
      hidden(account.pendingRemoval),
      el("h2", {}, "Folders"),
      table("Folders and their verification", FOLDER_COLUMNS, ordered(account.folders).map(folder)),
      differences(account),
      quarantine(account.quarantine),
      el("h2", {}, "Newest runs"),
      runsTable(account.runs, "Newest runs"),
    ];
  },
};

const reason = ({ name, message }) => [el("strong", {}, name), message ? `: ${message}` : ""];

function hidden(removal) {
  if (!removal) return null;
  const { hidden: messages, gone, folders, goneSince, deletedFrom, needsConfirmation } = removal;
  return el(
    "section",
    { "aria-labelledby": "hidden", key: "hidden" },
    el("h2", { id: "hidden" }, "Hidden mail"),
    el(
      "p",
      {},
      `Hidden because they left their folders: ${plural(messages, "message")}.`,
      folders > 0 && ` Hidden because they are gone: ${plural(folders, "folder")}.`,
    ),
    gone > 0 &&
      el(
        "p",
        {},
        `The provider has said since `,
        time(goneSince),
        ` that ${plural(gone, "message")} of them are gone. They are deleted when it says so again at `,
        time(deletedFrom),
        " or later.",
      ),
    needsConfirmation &&
      el("p", { class: "error" }, "Most of the mailbox would go. Confirm the removal if it is meant."),
  );
}

function folder(row) {
  return el(
    "tr",
    { key: row.id },
    el("th", { scope: "row", style: { "--depth": row.depth } }, row.displayName),
    el("td", {}, progress(row.total, row.remoteTotal - row.countOffset, `Mail of ${row.displayName}`)),
    el("td", { class: "number" }, number(row.unread)),
    el("td", { class: "number" }, number(row.quarantined)),
    el("td", {}, verified(row)),
    el("td", {}, time(row.comparedAt, "not yet")),
    el("td", { class: "error-cell" }, row.error ? reason(row.error) : ""),
  );
}

function verified(row) {
  if (row.walking) return el("span", { class: "status is-live" }, "being read");
  if (row.differing) {
    return el("span", { class: "status is-warn" }, `${plural(row.differing, "difference")}`);
  }
  if (row.verifiedAt && !row.isUneven) {
    const status = el("span", { class: "status is-good" }, `equal, ${clock(row.verifiedAt)}`);
    return row.countOffset ? [status, ` (the provider counts ${number(row.remoteTotal)})`] : status;
  }
  return el("span", { class: "status is-wait" }, row.verifiedAt ? "changed since" : "not yet");
}

function differences({ folders, differences: ids }) {
  const uneven = folders.filter(({ isUneven }) => isUneven);
  if (!uneven.length && !ids.length) return null;
  return [
    el("h2", {}, "Differences"),
    uneven.length > 0 && [
      el("p", {}, "The counts differ; the next sync compares these folders message by message."),
      el("ul", {}, uneven.map(unevenFolder)),
    ],
    ids.length > 0 && [
      el("p", {}, "The provider contradicts itself; what it says by id is what is stored."),
      table("Messages that differ", ["Folder", "Cause", "Found", "Message"], ids.map(difference)),
    ],
  ];
}

const CAUSES = {
  missing: "in the provider's list, gone when asked for by id",
  surplus: "not in the provider's list, there when asked for by id",
  misread: "read state differs between the provider's list and the message",
};

function difference({ messageId, folder: name, cause, foundAt }) {
  return el(
    "tr",
    { key: messageId },
    el("td", {}, name),
    el("td", { class: "wide" }, el("strong", {}, cause), `: ${CAUSES[cause]}`),
    el("td", {}, time(foundAt)),
    el("td", { class: "wide" }, el("code", { class: "id" }, messageId)),
  );
}

function unevenFolder({ id, displayName, total, quarantined: aside, remoteTotal }) {
  const ours = `${number(total)} stored and ${number(aside)} in quarantine`;
  return el("li", { key: id }, `${displayName}: ${ours}, ${number(remoteTotal)} at the provider.`);
}

function quarantine(messages) {
  if (!messages?.length) return null;
  const columns = [
    "Folder", "Cause", "Detail", ["Attempts", "number"], "Last tried", "Next try", "Message",
  ];
  return [
    el("h2", {}, "Quarantine"),
    table("Messages that cannot be stored", columns, messages.map(quarantined)),
  ];
}

function quarantined(row) {
  return el(
    "tr",
    { key: row.messageId },
    el("td", {}, row.folder ?? "–"),
    el("td", {}, el("code", {}, row.cause)),
    el("td", { class: "wide" }, row.detail),
    el("td", { class: "number" }, number(row.attempts)),
    el("td", {}, time(row.lastTriedAt)),
    el("td", {}, time(row.nextTryAt)),
    el("td", { class: "wide" }, el("code", { class: "id" }, row.messageId)),
  );
}
