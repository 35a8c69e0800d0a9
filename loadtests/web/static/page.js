// Shows a run as it goes on. Law: whatever comes from outside becomes the text of a node, never markup.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 560, HEIGHT = 180, LEFT = 54, RIGHT = 510, TOP = 8, BOTTOM = 156;
const NAMES = { ttft: "TTFT", ttft_intended: "TTFT from when it was due", itl: "ITL", tpot: "TPOT", e2e: "End to end" };
const MOST_POINTS = 900;

const at = (id) => document.getElementById(id);
let run = -1;
let points = new Map();

function made(parent, name, text, kind) {
  const node = document.createElement(name);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function drawn(parent, name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function figure(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toPrecision(3).replace(/\.?0+$/, "");
}

const ms = (value) => (value >= 1000 ? figure(value / 1000) + " s" : figure(value) + (value === null || value === undefined ? "" : " ms"));

// A round number at or above the largest value, so that the axis does not move with each point.
function ceiling(largest) {
  if (!(largest > 0)) return 1;
  const decade = 10 ** Math.floor(Math.log10(largest));
  return [1, 1.5, 2, 3, 4, 5, 7.5, 10].map((step) => step * decade).find((value) => value >= largest * 0.999);
}

// `lines` are [class, label, function of a point]; a null leaves a gap.
function chart(id, lines, unit) {
  const svg = at(id);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const all = [...points.values()];
  const first = all.length ? all[0].t : 0;
  const last = Math.max(all.length ? all[all.length - 1].t : 0, first + 10);
  const values = all.flatMap((point) => lines.map(([, , of]) => of(point))).filter((value) => value !== null);
  const top = ceiling(Math.max(0, ...values));
  const x = (t) => LEFT + ((t - first) / (last - first)) * (RIGHT - LEFT);
  const y = (value) => BOTTOM - (value / top) * (BOTTOM - TOP);
  for (const part of [0, 0.5, 1]) {
    drawn(svg, "line", { class: "grid", x1: LEFT, x2: RIGHT, y1: y(part * top), y2: y(part * top) });
    drawn(svg, "text", { x: LEFT - 6, y: y(part * top) + 4, "text-anchor": "end" }, unit(part * top));
  }
  for (const [t, anchor] of [[first, "start"], [last, "end"]]) {
    drawn(svg, "text", { x: x(t), y: BOTTOM + 16, "text-anchor": anchor }, `${t} s`);
  }
  const told = [];
  const labels = [];
  for (const [kind, label, of] of lines) {
    let path = "", open = false, before = null, end = null;
    for (const point of all) {
      const value = of(point);
      if (value === null) { open = false; continue; }
      path += `${open ? "L" : "M"}${x(point.t).toFixed(1)} ${y(value).toFixed(1)}`;
      open = true;
      before = value;
      end = point.t;
    }
    if (before === null) continue;
    drawn(svg, "path", { class: `line ${kind}`, d: path });
    drawn(svg, "circle", { class: `dot ${kind}`, cx: x(end), cy: y(before), r: 2.5 });
    labels.push([y(before), kind, label]);
    told.push(`${label} ${unit(before)}`);
  }
  // Labels beside the ends of their lines, kept apart from each other.
  labels.sort((one, other) => other[0] - one[0]);
  let lowest = BOTTOM + 14;
  for (const [place, kind, label] of labels) {
    lowest = Math.min(place, lowest - 13);
    drawn(svg, "text", { class: kind, x: RIGHT + 6, y: lowest + 4 }, label);
  }
  svg.setAttribute("aria-label", told.join(", ") || "nothing yet");
}

function tile(parent, value, words, kind) {
  const box = made(parent, "div", undefined, kind ? `tile ${kind}` : "tile");
  made(box, "b", value);
  made(box, "span", words);
}

function tiles(data) {
  const box = at("tiles");
  box.replaceChildren();
  const { counts, latencies, good, bounds } = data.totals;
  const ended = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const ok = counts.ok || 0, limited = counts["429"] || 0;
  const failed = ended - ok - limited;
  const progress = data.progress;
  const now = [...points.values()].slice(-5);
  const per = (name) => (now.length ? now.reduce((sum, point) => sum + point[name], 0) / now.length : 0);
  tile(box, data.state, progress ? `${progress.done} of ${progress.planned} requests` : "state");
  tile(box, figure(per("ok")), "whole answers per second");
  tile(box, figure(per("tokens")), "tokens per second");
  for (const name of ["ttft", "itl"]) {
    const found = latencies[name].ms || [null, null, null];
    tile(box, ms(found[0]), `${NAMES[name]} p50`);
    tile(box, ms(found[2]), `${NAMES[name]} p99`);
  }
  if (Object.keys(bounds).length) tile(box, ended ? figure((100 * good) / ended) + " %" : "–", "goodput: kept every bound");
  tile(box, String(limited), "429: rate limited", limited ? "warn" : "");
  tile(box, String(failed), "failed", failed ? "bad" : "");
}

function tables(data) {
  const latencies = at("latencies").tBodies[0];
  latencies.replaceChildren();
  for (const [name, words] of Object.entries(NAMES)) {
    const row = data.totals.latencies[name];
    const line = made(latencies, "tr");
    made(line, "td", words);
    made(line, "td", row.count.toLocaleString("en"), "n");
    for (const value of row.ms || [null, null, null]) made(line, "td", ms(value), "n");
  }
  const outcomes = at("outcomes").tBodies[0];
  outcomes.replaceChildren();
  for (const [name, count] of Object.entries(data.totals.counts)) {
    const line = made(outcomes, "tr");
    made(line, "td", name);
    made(line, "td", count.toLocaleString("en"), "n");
    const said = made(line, "td");
    for (const text of data.totals.examples[name] || []) made(said, "div", text);
  }
}

function notices(data) {
  const words = [];
  if (data.refusal) words.push(`the run was not begun: ${data.refusal}`);
  if (data.state === "ended" && data.invalid) words.push(`these figures are not valid: ${data.invalid}`);
  if (data.book) words.push(data.book);
  const box = at("notice");
  box.hidden = words.length === 0;
  box.textContent = words.join("; ");
  const verdict = at("verdict");
  verdict.hidden = data.verdict.length === 0;
  const list = verdict.querySelector("ul");
  list.replaceChildren();
  for (const line of data.verdict) made(list, "li", line);
  at("reported").hidden = !data.report;
}

function show(data, since) {
  if (data.run !== run) {
    run = data.run;
    points = new Map();
    // What is missing before `since` comes with the next answer.
    if (since > 0) return;
  }
  for (const point of data.points) points.set(point.t, point);
  points = new Map([...points].sort((one, other) => one[0] - other[0]).slice(-MOST_POINTS));
  const running = data.state === "running";
  at("start").disabled = running;
  at("stop").disabled = !running;
  if (data.plan && running) at("plan").replaceChildren(data.plan);
  tiles(data);
  tables(data);
  notices(data);
  const latency = (name) => ["a", "b", "c"].map((kind, place) => [kind, ["p50", "p95", "p99"][place], (point) => (point[name] ? point[name][place] : null)]);
  chart("ttft", latency("ttft"), ms);
  chart("itl", latency("itl"), ms);
  chart("answers", [["b", "ok", (point) => point.ok], ["warn", "429", (point) => point.limited], ["bad", "failed", (point) => point.failed]], figure);
  if (Object.keys(data.totals.bounds).length) {
    at("fourth").textContent = "Goodput";
    at("fourth-words").textContent = "answers per second that kept every bound, beside all that ended";
    chart("good", [["a", "all", (point) => point.ok + point.limited + point.failed], ["good", "good", (point) => point.good]], figure);
  } else {
    at("fourth").textContent = "Tokens per second";
    at("fourth-words").textContent = "of answers that ended in each second";
    chart("good", [["b", "tokens", (point) => point.tokens]], figure);
  }
}

async function asked(path, form) {
  const answer = await fetch(path, form ? { method: "POST", body: new URLSearchParams(new FormData(form)) } : {});
  // A login that has ended sends us to its page.
  if (answer.redirected) location.assign("./login");
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error || `the page answered ${answer.status}`);
  return data;
}

async function poll() {
  const since = Math.max(0, ([...points.keys()].pop() ?? 0) - 12);
  try {
    show(await asked(`seatrial/live?since=${since}`), since);
  } catch {
    at("notice").hidden = false;
    at("notice").textContent = "the load generator does not answer: it may have ended";
  }
  setTimeout(poll, 1000);
}

function said(text, wrong) {
  const line = at("plan");
  line.replaceChildren();
  made(line, "span", text, wrong ? "wrong" : "");
}

async function planned() {
  try {
    said((await asked("seatrial/plan", at("form"))).plan);
  } catch (error) {
    said(error.message, true);
  }
}

at("form").addEventListener("change", planned);
at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  at("start").disabled = true;
  try {
    said((await asked("seatrial/start", at("form"))).plan);
  } catch (error) {
    said(error.message, true);
    at("start").disabled = false;
  }
});
at("stop").addEventListener("click", () => asked("seatrial/stop", at("form")).catch(() => {}));
planned();
poll();
