"use strict";

const SHOWN = 50;
const DEAF = 20; // seconds without a word from the server
const SILENT = 300; // seconds without an event in the bot, as in the alert IbkeelSilent
const page = document.querySelector("meta[name=ibkeel-page]").content;
const $ = (id) => document.getElementById(id);
let board = null;
let heardAt = Date.now();
let offset = 0; // server's clock less ours, in ms

const isNone = (value) => value === null || value === undefined;
const kept = (children) => children.flat(Infinity).filter((child) => !isNone(child) && child !== false && child !== "");

function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (isNone(value) || value === false) continue;
    if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...kept(children));
  return element;
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Words for figures.

const number = (value, digits = 2, least = 0) =>
  isNone(value) ? "–" : value.toLocaleString("en-US", { minimumFractionDigits: least, maximumFractionDigits: digits });
const money = (value) => number(value, 2, 2);
const share = (value) => (isNone(value) ? "–" : (100 * value).toFixed(2) + " %");
const newYork = (shown) => new Intl.DateTimeFormat("en-GB", { timeZone: "America/New_York", ...shown });
const hours = newYork({ timeStyle: "medium" }), days = newYork({ day: "numeric", month: "short" });
const today = () => days.format(now());
function clock(iso) {
  if (!iso) return "–";
  const at = new Date(iso), day = days.format(at);
  return (day === today() ? "" : day + ", ") + hours.format(at);
}
const milliseconds = (seconds) => (isNone(seconds) ? "–" : seconds < 1 ? (1000 * seconds).toFixed(0) + " ms" : seconds.toFixed(1) + " s");

function span(seconds) {
  if (seconds < 90) return Math.max(0, Math.round(seconds)) + " s";
  if (seconds < 5400) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return (seconds / 3600).toFixed(1) + " h";
  return Math.round(seconds / 86400) + " days";
}

const now = () => Date.now() + offset;
const ago = (iso) => span((now() - Date.parse(iso)) / 1000) + " ago";
const age = (iso, ages) => (iso ? h("span", { "data-at": iso, "data-ages": ages, class: "faint" }, ago(iso)) : "–");
// What each cycle reads anew is no longer true when two cycles of a session did not.
const isStale = (iso) => board.run.opens_at && !board.run.day_is_over && now() > Date.parse(board.run.opens_at) && now() - Date.parse(iso) > 1000 * Math.max(SILENT, 2 * board.run.interval);

const TONES = {
  ok: "good", ready: "good", closed: "good", filled: "good", entry: "good", submitted: "good", delivered: "good",
  degraded: "warn", syncing: "warn", connecting: "warn", "half open": "warn", maintenance: "warn", warning: "warn",
  refused: "warn", skipped: "warn", partially_filled: "warn", unknown: "bad",
  down: "bad", open: "bad", "upstream lost": "bad", upstream_lost: "bad", reconnecting: "bad", stopped: "bad", failed: "bad",
  rejected: "bad", critical: "bad",
};
const tone = (word) => TONES[word] || "";
const badge = (word, kind = tone(word)) => h("span", { class: "badge " + kind }, String(word || "none").replaceAll("_", " "));

function table(names, rows, empty = "Nothing yet.") {
  if (!rows.length) return h("p", { class: "faint" }, empty);
  const numeric = (name) => (name.startsWith("#") ? "n" : name.startsWith("@") ? "t" : null);
  const plain = (name) => name.replace(/^[#@]/, "");
  return h("div", { class: "scroll", tabindex: 0 }, h("table", { class: "cards" },
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { class: numeric(name), scope: "col" }, plain(name))))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, place) => h("td", { class: numeric(names[place]), "data-name": plain(names[place]) }, cell)))))));
}

const pairs = (rows) => h("dl", { class: "pairs" }, rows.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

function bar(part) {
  const fill = h("i", { class: part > 0.95 ? "bad" : part > 0.8 ? "warn" : null });
  fill.style.width = Math.min(100, 100 * part) + "%";
  return h("div", { class: "bar", role: "img", "aria-label": Math.round(100 * part) + " % used" }, fill);
}

function spark(values, errors, big) {
  if (values.length < 2) return "";
  const known = values.filter((value) => value !== null);
  const low = big ? Math.min(...known) : 0, high = Math.max(...known, low + 1e-9), width = values.length - 1;
  const at = (value) => 19 - (18 * (value - low)) / (high - low || 1);
  const points = values.map((value, place) => (value === null ? null : `${place},${at(value)}`)).filter(Boolean).join(" ");
  const marks = (errors || []).map((count, place) => (count ? svg("rect", { class: "e", x: place - 0.4, y: 0, width: 0.8, height: 20 }) : null)).filter(Boolean);
  return svg("svg", { class: big ? "spark big" : "spark", viewBox: `0 0 ${width} 20`, preserveAspectRatio: "none", role: "img", "aria-label": "over time" }, ...marks, svg("polyline", { points }));
}

// Panels: each makes its content from its part of the board.

const PANELS = {
  session(data) {
    const session = data.session;
    const spans = session.timeline.slice(-40);
    const strip = h("div", { class: "timeline", role: "img", "aria-label": "timeline of session states" });
    spans.forEach((each, place) => {
      const end = place + 1 < spans.length ? Date.parse(spans[place + 1].since) : now();
      const piece = h("i", { class: tone(each.state) || null, title: `${each.state} since ${clock(each.since)}: ${each.cause}` });
      piece.style.flexGrow = String(Math.max(1, Math.sqrt(Math.max(0, end - Date.parse(each.since)) / 1000)));
      strip.append(piece);
    });
    return [
      h("p", {}, badge(session.state), " ", session.since ? ["since ", clock(session.since), " New York, ", age(session.since)] : ""),
      session.cause ? h("p", {}, session.cause) : null,
      spans.length ? strip : null,
      pairs([
        ["Gateway", session.host ? `${session.host}:${session.port}, client ${session.client_id}, server version ${session.server_version ?? "–"}` : "–"],
        ["Account", session.account || "–"],
        ["Connections", `${session.connects}, lost ${session.losses} times`],
      ]),
    ];
  },
  health(data) {
    const row = (tier) => [tier.name, badge(tier.grade), [tier.evidence, tier.remedy ? h("span", { class: "remedy" }, tier.remedy) : null], age(tier.at)];
    const names = ["tier", "grade", "evidence", "@seen"];
    const poor = data.health.tiers.filter((tier) => tier.grade !== "ok"), well = data.health.tiers.filter((tier) => tier.grade === "ok");
    if (!data.health.at) return h("p", { class: "faint" }, "Nobody has looked yet.");
    return [
      h("p", {}, badge(data.health.grade), data.health.round_trip === null ? "" : ` round trip ${milliseconds(data.health.round_trip)}`, ", looked ", age(data.health.at)),
      poor.length ? table(names, poor.map(row)) : null,
      h("details", {}, h("summary", {}, `${well.length} tiers are well`), table(names, well.map(row))),
    ];
  },
  positions(data) {
    const rows = data.money.positions.map((row) => [
      row.subject, number(row.signed_quantity, 4), money(row.average_price),
      row.protection === null ? badge("unknown", "warn")
        : row.protection.length ? [row.uncovered ? badge(number(row.uncovered, 4) + " unprotected", "bad") : null, row.protection.map((order) => h("div", {}, `${order.order_type} ${number(order.quantity, 4)} at ${money(order.price)} `, badge(order.state)))]
        : badge("unprotected", "bad"),
    ]);
    return [table(["position", "#quantity", "#average", "protected by"], rows, data.money.positions_at ? "Flat." : "Not known: no bot has read them. Look in TWS or Client Portal."), data.money.positions_at ? h("p", { class: "faint" }, "read ", age(data.money.positions_at, true)) : null];
  },
  money(data) {
    const account = data.money.account, exposure = data.money.exposure;
    return [
      account ? pairs([
        ["Equity", `${money(account.net_liquidation)} ${account.currency}`],
        ["Available", money(account.available_funds)],
        ["Cushion", money(account.excess_liquidity)],
        ["Read", age(account.at, true)],
        exposure ? ["At cost", money(exposure.at_cost)] : null,
        exposure ? ["Delta, gamma", `${number(exposure.delta)}, ${number(exposure.gamma, 4)}`] : null,
        exposure ? ["Theta, vega", `${number(exposure.theta)}, ${number(exposure.vega)}`] : null,
      ]) : h("p", { class: "faint" }, "Not read yet."),
      spark(data.money.equity.map(([, value]) => value), null, true),
    ];
  },
  guard(data) {
    const loss = data.guard.loss, halted = data.halted || (data.guard.is_halted ? data.guard.halt_reason : "");
    return [
      pairs([
        ["Entries", halted ? badge("halted", "bad") : badge("not halted", "good")],
        halted ? ["Because", halted] : null,
        ["Daily loss", loss ? [badge(loss.tripped ? "tripped" : loss.allowed ? "within limit" : "blocks entries", loss.tripped || !loss.allowed ? "bad" : "good"), loss.loss <= 0 && loss.loss !== null ? ` none; limit ${share(loss.limit)}` : ` ${share(loss.loss)} of ${share(loss.limit)}`] : "–"],
        loss && loss.reason ? ["", loss.reason] : null,
      ]),
      loss && loss.loss !== null ? bar(Math.max(0, loss.loss / loss.limit)) : null,
    ];
  },
  orders(data) {
    const rows = [...data.orders.rows].reverse().slice(0, SHOWN).map((row) => [
      clock(row.intended_at || row.changed_at), row.client_order_id, row.purpose || "–", row.subject ? `${row.side} ${number(row.quantity || row.filled, 4)} ${row.subject} ${row.terms || ""}` : "–",
      badge(row.state), `${number(row.filled, 4)}${row.price === null ? "" : " at " + money(row.price)}`, row.state_reason || row.reason,
    ]);
    return [table(["@at (New York)", "order", "for", "what", "state", "filled", "why"], rows, "None."), more(data.orders.rows.length)];
  },
  decisions(data) {
    const wanted = $("filter").value.trim().toLowerCase();
    const fits = (row) => !wanted || row.symbol.toLowerCase().includes(wanted) || row.outcome.toLowerCase().includes(wanted);
    const symbols = Object.values(data.decisions.symbols).filter(fits);
    const rows = symbols.slice(0, SHOWN).map((row) => [row.symbol, badge(row.outcome), row.detail, row.failures ? badge(row.failures + " failures", "warn") : "", age(row.at)]);
    const counts = Object.entries(data.decisions.counts).map(([outcome, count]) => [badge(outcome), ` ${count} `]);
    const last = [...data.decisions.rows].reverse().filter(fits).slice(0, 20).map((row) => [
      clock(row.at), row.symbol, row.direction ? `${row.direction} ${number(row.confidence)}` : "–", badge(row.outcome), [...row.reasons, ...row.facts].join("; "),
    ]);
    return [
      counts.length ? h("p", {}, counts) : null,
      table(["symbol", "last", "because", "", "@when"], rows, wanted ? "None fits." : "None yet."), more(symbols.length),
      h("details", { open: last.length > 0 && symbols.length <= 10 }, h("summary", {}, "The last decisions with their facts"), table(["@at (New York)", "symbol", "signal", "outcome", "reasons"], last)),
    ];
  },
  requests(data) {
    const rows = Object.values(data.requests.kinds).map((row) => {
      const seen = row.latency;
      return [row.kind, number(row.answered, 0), row.failed ? badge(number(row.failed, 0), "warn") : "0",
        ...(seen ? [seen.p50, seen.p95, seen.p99].map(milliseconds) : ["–", "–", "–"]),
        spark(row.spark.map((point) => point.mean ?? null), row.spark.map((point) => point.errors)),
        row.last_error ? [row.last_error, " ", age(row.last_error_at)] : ""];
    });
    return [table(["kind", "#answered", "#failed", "#p50", "#p95", "#p99", "by minute", "last error"], rows), h("p", { class: "faint" }, `${data.requests.under_way} under way, ${data.requests.queued} waiting`)];
  },
  pacing(data) {
    const budgets = data.pacing.budgets.map((row) => [row.rule, bar(row.limit ? row.used / row.limit : 0), `${number(row.used, 0)} of ${number(row.limit, 0)}${row.seconds ? ` in ${number(row.seconds)} s` : ""}`]);
    const queues = data.pacing.queues.map((row) => h("p", {}, `${row.waiting} ${row.kind} wait, the oldest for ${number(row.oldest)} s: ${row.waits_for}`));
    return [table(["limit", "used", "figures"], budgets, "Not sampled yet."), queues.length ? queues : h("p", { class: "faint" }, "Nothing waits."),
      data.pacing.held ? h("p", {}, badge("held back", "warn"), " ", data.pacing.held, " ", age(data.pacing.held_at)) : null];
  },
  lines(data) {
    const lines = data.lines, names = Object.entries(lines.open);
    return [
      h("p", {}, `${lines.count} of ${lines.capacity || "–"} open, at most ${lines.most} so far`),
      lines.capacity ? bar(lines.count / lines.capacity) : null,
      names.length ? h("details", {}, h("summary", {}, "Which"), h("ul", {}, names.slice(0, 200).map(([name, count]) => h("li", {}, count > 1 ? `${name} (${count})` : name)))) : null,
    ];
  },
  services(data) {
    const services = Object.values(data.services.rows).map((row) => [row.name, badge(row.state), row.cause, age(row.since)]);
    const farms = Object.values(data.farms.rows).map((row) => [row.farm, badge(row.after), row.evidence, age(row.at)]);
    return table(["what", "state", "because", "@since"], [...services, ...farms], "No breaker has opened; no farm was spoken of.");
  },
  alerts(data) {
    const rows = [...data.alerts.rows].reverse().slice(0, 20).map((row) => [
      clock(row.at), badge(row.severity), [h("strong", {}, row.title), h("span", { class: "remedy" }, row.text)],
      row.failed.length ? badge("undelivered", "bad") : row.retrying.length ? badge("retrying", "warn") : row.kept_back ? badge("kept back") : row.delivered.length ? badge("delivered") : badge("on its way"),
    ]);
    return [
      data.alerts.undelivered ? h("p", {}, badge(data.alerts.undelivered + " undelivered", "bad")) : null,
      data.alerts.heartbeat_failing ? h("p", {}, badge("heartbeat fails", "bad"), " ", String(data.alerts.heartbeat_failing)) : null,
      table(["@at (New York)", "severity", "what", "fate"], rows, "None."),
    ];
  },
  incidents(data) {
    const rows = [...data.incidents.rows].reverse().slice(0, SHOWN).map((row) => [
      clock(row.at), row.kind, row.name, row.text, row.ended_at ? `${clock(row.ended_at)}, after ${span((Date.parse(row.ended_at) - Date.parse(row.at)) / 1000)}` : row.is_open ? badge("open") : "",
    ]);
    return table(["@at (New York)", "kind", "what", "text", "ended"], rows, "None.");
  },
};

const more = (count) => (count > SHOWN ? h("p", { class: "faint" }, `${count - SHOWN} more are not shown; filter, or ask the API.`) : null);

// What else than its own part of the board a panel shows.
const BESIDE = { positions: (d) => d.money, guard: (d) => d.halted, decisions: () => $("filter").value, services: (d) => d.farms };
const drawn = {};
const UNWRITTEN = ["session", "health", "money", "requests", "pacing", "lines", "services", "alerts", "incidents"]; // what no journal knows

function whole(panel) { // what a bot of another version tells may lack something: the other panels go on
  try { return panel(board); } catch (error) { return badge(`cannot be shown: ${error.message}; bot and page are of different versions`, "bad"); }
}

function draw() {
  if (!board) return;
  const day = today();
  for (const [name, panel] of Object.entries(PANELS)) {
    const isKnown = board.origin === "bot" || !UNWRITTEN.includes(name);
    const mark = day + isKnown + JSON.stringify([board[name], BESIDE[name]?.(board)], (key, value) => (key === "age" ? undefined : value));
    if (drawn[name] === mark) continue;
    drawn[name] = mark;
    const place = $(name).querySelector(":scope > div");
    const opened = [...place.querySelectorAll("details")].map((each) => each.open);
    place.replaceChildren(...kept([isKnown ? whole(panel) : h("p", { class: "faint" }, "Not known without a bot that runs.")]));
    place.querySelectorAll("details").forEach((each, at) => { if (opened[at] !== undefined) each.open = opened[at]; });
  }
  head();
}

const deaf = () => { const silent = (Date.now() - heardAt) / 1000; return silent > DEAF ? silent : 0; };

function overall() {
  if (deaf()) return ["no news", "bad"];
  if (!board) return ["waiting", ""];
  if (board.origin !== "bot") return ["no bot", "bad"];
  if (board.session.state !== "ready") return [board.session.state, tone(board.session.state) || "warn"];
  if (board.at && (now() - Date.parse(board.at)) / 1000 > SILENT) return ["ready, silent", "bad"];
  const grade = board.health.grade;
  return grade && grade !== "ok" ? [grade, tone(grade)] : ["ready", "good"];
}

function head() {
  const run = board.run;
  const day = run.day ? `, ${run.day}${run.day_is_over ? " (over)" : ""}, cycle ${run.cycle}` : "";
  $("run").textContent = run.run ? `${run.run}: ${run.strategy} on ${run.symbols.length > 5 ? run.symbols.length + " symbols" : run.symbols.join(", ")}, ${run.mode.replace("_", " ").toLowerCase()}${day}` : "";
  fresh();
  show("note", board.note);
  show("halted", board.halted ? "Entries are halted: " + board.halted : "");
  $("halt").textContent = board.halted ? "Let entries pass" : "Halt entries";
  const open = board.incidents.open.map((row) => h("p", { "data-kind": row.kind, "data-name": row.name }, h("strong", {}, row.name), ": ", row.text, " ", age(row.at)));
  const mark = JSON.stringify(board.incidents.open);
  if (drawn.open !== mark) { drawn.open = mark; $("open").replaceChildren(...open); }
}

function fresh() {
  const [word, kind] = overall(), silent = deaf();
  const status = $("overall");
  if (status.textContent !== word) status.textContent = word.replaceAll("_", " ");
  status.className = "badge " + kind;
  $("fresh").textContent = silent ? `this page has heard nothing for ${span(silent)}` : board && board.at ? "last event " + ago(board.at) : "";
}

function show(id, words) {
  const place = $(id);
  if (place.textContent !== words) place.textContent = words || "";
  place.hidden = !words;
}

// What changes.

const sure = $("sure");
$("halt").addEventListener("click", () => {
  const lifts = Boolean(board && board.halted);
  $("question").textContent = lifts ? "Let entries pass again?" : "Halt entries?";
  $("meaning").textContent = lifts ? "Strategies may open positions again from the next cycle on." : "No entry leaves and working entries are cancelled. Exits and stops go on.";
  $("yes").textContent = lifts ? "Let entries pass" : "Halt entries";
  $("why").hidden = lifts;
  $("failed").textContent = "";
  sure.dataset.path = lifts ? "/api/lift" : "/api/halt";
  sure.showModal();
});
$("no").addEventListener("click", () => sure.close()); // no submit button: Enter would press the first one
$("yes").addEventListener("click", async (event) => {
  event.preventDefault();
  try {
    const answer = await fetch(sure.dataset.path, {
      method: "POST", headers: { "Content-Type": "application/json", "X-Ibkeel-Page": page }, body: JSON.stringify({ reason: $("reason").value }),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    if (board) { board.halted = told.halted; draw(); }
    sure.close();
  } catch (error) {
    $("failed").textContent = "Not done: " + error.message;
  }
});
$("filter").addEventListener("input", draw);

// What arrives.

let stream;

function listen() {
  stream = new EventSource("/api/stream");
  stream.onmessage = (message) => {
    board = JSON.parse(message.data);
    heardAt = Date.now();
    offset = Date.parse(board.now) - Date.now();
    draw();
  };
}

listen();
setInterval(() => {
  fresh();
  document.querySelectorAll("[data-at]").forEach((each) => { each.textContent = ago(each.dataset.at); });
  document.querySelectorAll("[data-ages]").forEach((each) => { each.className = isStale(each.dataset.at) ? "badge bad" : "faint"; });
}, 1000);
setInterval(() => { if (stream.readyState === EventSource.CLOSED) listen(); }, 5000); // refused, as by a proxy, it gives up
