// The first page: what there is to try, in the order in which a new user would.

import { actionButton, actionForm } from "./actions.js";
import { passwordForms, signInUrl, tellConnected } from "./connect.js";
import { get } from "./data.js";
import { el } from "./dom.js";
import { number } from "./format.js";
import { runsTable } from "./runs.js";
import { code, facts, field, link } from "./components.js";

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
        ["Accounts", link("/accounts", number(overview.accounts))],
        ["Open runs", link("/runs?status=running", number(overview.runsOpen))],
        ["API", code(overview.apiUrl)],
        ["AWS endpoint", overview.awsUrl && code(overview.awsUrl)],
      ),
      overview.simulated && steps({ ...app, overview }),
      el("h2", {}, "Newest runs"),
      runsTable(runs, "Newest runs"),
    ];
  },
};

function steps(app) {
  const forms = passwordForms(app);
  const [signIn] = app.overview.signIns;
  const isSimulated = app.overview.passwordProviders?.some(({ host }) => host);
  const step = (words, ...more) => el("li", {}, el("p", {}, words), more);
  return [
    el("h2", {}, "Try it"),
    el(
      "ol",
      { class: "steps" },
      step(
        "Run the self-test: three steps reach the database and the provider.",
        actionButton(app, "Run self-test", { name: "test-sync", done: tellTest }),
      ),
      step(
        ["Connect a mailbox; its first sync starts by itself. Or ",
          link(signInUrl(signIn), "sign in yourself"), `, as to ${signIn.title}.`],
        actionForm(
          app,
          { name: "connect", fields: chosenAddress, done: tellConnected, label: "Connect" },
          field("Simulated mailbox", "address", { type: "email", placeholder: "the first one" }),
        ),
      ),
      forms.length > 0 && step(
        ["Or connect one by its password, as your application does.",
          isSimulated && [" That of the simulated mailboxes is printed by ", code("make dev"), "."]],
        forms,
      ),
      step(["Watch it in ", link("/runs", "Runs"), ": each folder is a step."]),
      step(
        ["Deliver a mail with the ", el("strong", {}, "Simulator"), " at the top, sync the account in ",
          link("/accounts", "Accounts"), ", and read the mail in ", link("/mailbox", "Mailbox"), "."],
      ),
      step("Cut the network while a sync runs, see the step fail and wait, restore the network, and"
        + " see it go on at the page that failed."),
    ),
  ];
}

function tellTest(result) {
  const id = (result.executionArn ?? "").split(":").pop();
  return [result.message ?? "The self-test has started.", " ", link(`/runs/${id}`, "See its run")];
}

function chosenAddress(form) {
  const address = form.get("address");
  return address ? { address } : {};
}
