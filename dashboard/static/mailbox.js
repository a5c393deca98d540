// The mail itself: folders, a page of a folder's messages, and one message.
//
// Mail is hostile. Its body is a document of its own in a frame that may run no script, send no
// form and open no window; the policy sent with it loads nothing.

import { accountField } from "./account_field.js";
import { failedSignIn, standing } from "./accounts.js";
import { actionButton, actionForm } from "./actions.js";
import { connectAgain } from "./connect.js";
import { get } from "./data.js";
import { el } from "./dom.js";
import { ordered } from "./folders.js";
import { mailTime, number } from "./format.js";
import {
  choice, cut, facts, fine, link, pages, progress, time, withQuery,
} from "./components.js";

const FIRST_ROLE = "inbox";
const NO_BODIES = "The text of mail is shown when the dashboard is started with --show-bodies.";

export default {
  title: ({ account, message }) => message?.subject || `Mailbox of ${account?.emailAddress ?? "nobody"}`,

  async load({ query }, signal) {
    const { accounts } = query.get("accountId")
      ? { accounts: [] }
      : await get("accounts", { search: "@", limit: 1 }, signal); // None that is being deleted.
    const accountId = query.get("accountId") ?? accounts[0]?.accountId;
    if (!accountId) return {};
    const account = await get(`accounts/${accountId}`, {}, signal);
    const wanted = query.get("folder");
    const folder = account.folders.find(({ id, role }) =>
      wanted ? String(id) === wanted : role === FIRST_ROLE,
    );
    const before = query.get("before");
    const [list, message] = await Promise.all([
      folder && get(`folders/${folder.id}/messages`, { before }, signal),
      query.get("message") && get(`messages/${query.get("message")}`, {}, signal),
    ]);
    return { account, folder, list, message };
  },

  /** The message that was opened, the link of the one that was closed, or another list's top. */
  attend(was, is) {
    const isOther = (name) => was.get(name) !== is.get(name);
    if (isOther("message")) {
      const closed = `.messages a[data-message="${Number(was.get("message"))}"]`;
      return document.querySelector(is.get("message") ? ".reader" : closed);
    }
    return ["folder", "before"].some(isOther) && document.querySelector(".messages");
  },

  render({ account, folder, list, message }, { query }, app) {
    if (!account) {
      const none = el("p", {}, "No mailbox is connected yet.");
      return [el("h1", {}, "Mailbox"), failedSignIn(query), none];
    }
    return [
      el("header", { class: "heading" }, el("h1", {}, "Mailbox"), picker(account, app)),
      failedSignIn(query),
      connectAgain(account, app),
      account.runId && sync(account),
      el(
        "div",
        { class: message ? "mailbox is-reading" : "mailbox" },
        el(
          "nav",
          { class: "folders", "aria-label": "Folders" },
          folderList(account, folder, query),
        ),
        folder ? messages(folder, list, query) : el("p", {}, absence(account, query)),
        reader(message, account, query, app),
      ),
    ];
  },
};

function absence({ folders }, query) {
  if (!folders.length) return "This mailbox has no folders yet.";
  return query.get("folder") ? "This folder is gone. Choose another one." : "Choose a folder.";
}

/** How far the open run is; a new mailbox has no folders yet. */
function sync(account) {
  const { syncProgress, syncTotal, runId } = account;
  return facts(
    ["Sync", link(`/runs/${runId}`, standing(account))],
    ["Mail", progress(syncProgress, syncTotal, "Mail stored")],
  );
}

function picker(account, app) {
  const pick = (other) => other && app.go(`/mailbox?accountId=${other.accountId}`);
  const value = account.emailAddress;
  return el("div", {}, accountField(app, "Account", { name: "account", value, pick }));
}

function folderList(account, current, query) {
  const [shown, rest] = cut(ordered(account.folders), "folders", "folder", query);
  if (current && !shown.some(({ id }) => id === current.id)) shown.push({ ...current, depth: 0 });
  return [el("ul", {}, shown.map((each) => folderLink(each, current, account))), rest];
}

function folderLink(folder, current, account) {
  const unread = folder.unread > 0 ? `${number(folder.unread)} unread of ` : "";
  const place = {
    href: `/mailbox?accountId=${account.accountId}&folder=${folder.id}`,
    "aria-current": folder.id === current?.id ? "true" : null,
  };
  return el(
    "li",
    { key: folder.id, style: { "--depth": folder.depth } },
    el(
      "a",
      place,
      el("span", {}, el("bdi", {}, folder.displayName)),
      el("span", { class: "count" }, `${unread}${number(folder.total)}`),
    ),
  );
}

function messages(folder, list, query) {
  const at = (before) => withQuery(query, { before, message: null });
  return el(
    "section",
    {
      class: "messages",
      "aria-label": `Messages of ${folder.displayName}`,
      tabindex: "-1",
      key: `${folder.id} ${query.get("before")}`,
    },
    el("h2", {}, folder.displayName),
    fine(`${number(folder.total)} stored, ${number(folder.remoteTotal)} at the provider`),
    list.messages.length
      ? el("ul", {}, list.messages.map((each) => listed(each, query)))
      : el("p", {}, "No message here."),
    pages(query.get("before"), list.next, at),
  );
}

function listed(message, query) {
  const isHere = query.get("message") === String(message.id);
  const marks = [
    !message.isRead && "unread",
    message.isFlagged && "flagged",
    message.hasAttachments && "with attachment",
  ].filter(Boolean);
  return el(
    "li",
    { key: message.id, class: message.isRead ? null : "is-unread" },
    el(
      "a",
      {
        href: withQuery(query, { message: message.id }),
        "aria-current": isHere ? "true" : null,
        "data-message": message.id,
      },
      el(
        "span",
        { class: "from" },
        el("bdi", {}, message.fromName || message.fromAddress || "unknown sender"),
        message.receivedAt && received(message.receivedAt),
      ),
      el("span", { class: "subject" }, el("bdi", {}, message.subject || "(no subject)")),
      el("span", { class: "snippet" }, message.snippet),
      marks.length > 0 && el("span", { class: "marks" }, marks.join(", ")),
    ),
  );
}

const received = (iso) => el("time", { datetime: iso }, mailTime(iso));

function reader(message, account, query, app) {
  if (!message) {
    const hint = fine("Choose a message.");
    return el("section", { class: "reader", "aria-label": "Message" }, hint);
  }
  const people = (list) =>
    list?.length ? list.map((each, at) => [at > 0 && ", ", person(each)]) : null;
  return el(
    "section",
    { class: "reader", "aria-label": "Message", tabindex: "-1", key: message.id },
    el("p", {}, link(withQuery(query, { message: null }), "Close the message")),
    el("h2", {}, el("bdi", {}, message.subject || "(no subject)")),
    facts(
      ["From", person({ name: message.fromName, address: message.fromAddress })],
      ["To", people(message.to)],
      ["Cc", people(message.cc)],
      ["Received", message.receivedAt && time(message.receivedAt)],
    ),
    app.overview.simulated && providerButtons(message, account, app),
    app.overview.showsBodies === false ? fine(NO_BODIES) : body(message),
  );
}

function body(message) {
  return el("iframe", {
    src: `/data/messages/${message.id}/body`,
    title: "Body of the message",
    sandbox: true,
    referrerpolicy: "no-referrer",
  });
}

/** Name and address, each by itself: a name that turns the direction of text must not disguise the
 * address. */
function person({ name, address }) {
  const [shownName, shownAddress] = [name, address].map((each) => each && el("bdi", {}, each));
  return name && address ? [shownName, " <", shownAddress, ">"] : shownName || shownAddress;
}

/** What the owner could do at the provider; the next sync brings it here. */
function providerButtons(message, account, app) {
  const fields = { messageId: message.id };
  const report = (what) => () => `${what} at the provider. The next sync brings it here.`;
  const button = (label, name, what) =>
    actionButton(app, label, { name, fields, done: report(what) });
  const elsewhere = ordered(account.folders).filter(({ id }) => id !== message.folderId);
  const moved = (form) => ({ ...fields, destination: Number(form.get("destination")) });
  return el(
    "div",
    { class: "buttons", role: "group", "aria-label": "At the provider" },
    !message.isRead && button("Mark read", "mark-read", "Marked as read"),
    button("Delete", "delete", "Deleted"),
    actionForm(
      app,
      { name: "move", fields: moved, done: report("Moved"), label: "Move" },
      choice("Move to", "destination", elsewhere.map(({ id, displayName }) => [String(id), displayName])),
    ),
  );
}
