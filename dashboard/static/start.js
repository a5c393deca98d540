// The first page: what there is to try, in the order in which somebody new would.

import { actionButton, actionForm, copyButton } from "./actions.js";
import { get } from "./data.js";
import { el } from "./dom.js";
import { number } from "./format.js";
import { runsTable } from "./runs.js";
import { facts, field } from "./components.js";

const RECENT = 5;

export default {
  title: () => "Start",

  async load(_place, signal) {
    const [overview, runs] = await Promise.all([
      get("overview", {}, signal),
      get("runs", { limit: RECENT }, signal),
    ]);
    return { overview, runs: runs.runs };
  },

  render({ overview, runs }, _place, app) {
    return [
      el("h1", {}, overview.simulated ? "Mailsync on this machine" : `Mailsync, ${overview.stage}`),
      facts(
        ["Accounts", el("a", { href: "/accounts" }, number(overview.accounts))],
        ["Open runs", el("a", { href: "/runs?status=running" }, number(overview.runsOpen))],
        ["API", el("code", {}, overview.apiUrl)],
        ["AWS endpoint", overview.awsUrl && el("code", {}, overview.awsUrl)],
      ),
      overview.simulated && steps(overview, app),
      el("h2", {}, "Newest runs"),
      runsTable(runs, "Newest runs"),
      overview.curl?.length > 0 && commands(overview),
    ];
  },
};

function steps(overview, app) {
  // A whole address, so that the browser goes there and no view is looked for.
  const signIn = overview.signInUrl ?? `${location.origin}/data/sign-in`;
  return [
    el("h2", {}, "Try it"),
    el(
      "ol",
      { class: "steps" },
      el(
        "li",
        {},
        el("p", {}, "Run the self-test: three steps reach the database and the provider."),
        actionButton(app, "Run self-test", { name: "test-sync", done: tellTest }),
      ),
      el(
        "li",
        {},
        el("p", {}, "Connect a mailbox; its first sync starts by itself. Or ",
          link(signIn, "sign in yourself"), "."),
        actionForm(
          app,
          { name: "connect", fields: chosenAddress, done: tellConnected, label: "Connect" },
          field("Simulated mailbox", "address", { type: "email", placeholder: "the first one" }),
        ),
      ),
      el("li", {}, el("p", {}, "Watch it in ", link("/runs", "Runs"), ": each folder is a step.")),
      el(
        "li",
        {},
        el("p", {}, "Deliver a mail with the ", el("strong", {}, "Simulator"), " at the top, sync ",
          "the account in ", link("/accounts", "Accounts"), ", and read the mail in ",
          link("/mailbox", "Mailbox"), "."),
      ),
      el(
        "li",
        {},
        el("p", {}, "Cut the network while a sync runs, see the step fail and wait, restore the ",
          "network, and see it go on at the page that failed."),
      ),
    ),
  ];
}

const link = (href, text) => el("a", { href }, text);

function tellTest(result) {
  const id = (result.executionArn ?? "").split(":").pop();
  return [result.message ?? "The self-test has started.", " ", link(`/runs/${id}`, "See its run")];
}

function chosenAddress(form) {
  const address = form.get("address");
  return address ? { address } : {};
}

function tellConnected(result) {
  const account = link(`/accounts/${result.accountId}`, "See its first sync");
  return ["Connected ", el("strong", {}, result.address), ". ", account];
}

const command = (line, title) =>
  el("div", { class: "command" }, el("pre", { tabindex: "0" }, line), copyButton(line, title));

function commands({ curl, token }) {
  return [
    el("h2", {}, "From a terminal"),
    el(
      "ul",
      { class: "commands" },
      curl.map(({ title, line }) =>
        el(
          "li",
          { key: title },
          el("p", {}, title),
          command(line, title),
        ),
      ),
    ),
    token && el("p", { class: "fine" }, "Their token is the demo user's, for this stack."),
  ];
}
